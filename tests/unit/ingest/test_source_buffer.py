"""The rolling buffer of one source: where it begins, what it lets go of, and where a consumer goes on."""

from __future__ import annotations

import pytest

from headwater.media.flv import Tag, TagKind, TagReader
from headwater.media.source_mark import SourceMark, is_mark, read_mark
from rtmp_ingest.source_buffer import FellBehind, SourceBuffer

HEADER = Tag(TagKind.VIDEO, 0, b"\x17\x00\x00\x00\x00avcC")
SOUND_HEADER = Tag(TagKind.AUDIO, 0, b"\xaf\x00\x12\x10")
METADATA = Tag(TagKind.DATA, 0, b"\x02\x00\x0aonMetaData\x05")


def key(at: int, size: int = 10) -> Tag:
    return Tag(TagKind.VIDEO, at, b"\x17\x01\x00\x00\x00" + bytes(size))


def inter(at: int, size: int = 10) -> Tag:
    return Tag(TagKind.VIDEO, at, b"\x27\x01\x00\x00\x00" + bytes(size))


def sound(at: int) -> Tag:
    return Tag(TagKind.AUDIO, at, b"\xaf\x01xy")


def filled(*tags: Tag, keep_ms: int = 60_000, max_size: int = 1_000_000, started_at: int = 1_000_000) -> SourceBuffer:
    """Received as they were published."""
    buffer = SourceBuffer(keep_ms=keep_ms, max_size=max_size)
    for tag in tags:
        buffer.append(tag, started_at + tag.timestamp)
    return buffer


def served(buffer: SourceBuffer, from_ms: int | None = None) -> list[Tag]:
    number = buffer.start_at(from_ms)
    return list(TagReader().feed(buffer.preface(number) + buffer.read(number, 1 << 30)[0]))


def media(tags: list[Tag]) -> list[int]:
    return [tag.timestamp for tag in tags if tag.is_media]


GROUPS = [
    METADATA,
    HEADER,
    SOUND_HEADER,
    *(t for s in range(10) for t in (key(s * 1000), sound(s * 1000), inter(s * 1000 + 500))),
]


def test_whoever_comes_first_gets_everything_from_the_first_tag_on() -> None:
    tags = served(filled(*GROUPS))
    assert read_mark(tags[0]) == SourceMark(0, 1_000_000)
    assert tags[1:] == GROUPS


def test_it_begins_at_a_keyframe_with_what_the_decoder_needs() -> None:
    tags = served(filled(*GROUPS, keep_ms=3000))
    assert [tag.payload for tag in tags[:3]] == [METADATA.payload, HEADER.payload, SOUND_HEADER.payload]
    assert {tag.timestamp for tag in tags[:4]} == {tags[4].timestamp}
    assert tags[4].is_keyframe
    assert tags[4].timestamp == 6000
    mark = read_mark(tags[3])
    assert mark is not None
    assert mark.received_at == 1_006_000


@pytest.mark.parametrize(("from_ms", "first"), [(0, 0), (999, 0), (1000, 1000), (4700, 4000), (99_000, 9000)])
def test_a_time_is_found_at_the_last_keyframe_that_is_not_later(from_ms: int, first: int) -> None:
    assert media(served(filled(*GROUPS), from_ms))[0] == first


def test_a_time_that_is_gone_is_answered_with_the_oldest() -> None:
    assert media(served(filled(*GROUPS, keep_ms=3000), 1000))[0] == 6000


def test_a_time_that_a_clock_showed_twice_is_the_older_one() -> None:
    again = [key(1000), inter(1500), key(2000)]
    assert media(served(filled(*GROUPS, *again), 1400))[0] == 1000
    assert len(media(served(filled(*GROUPS, *again), 1400))) > 10


def test_a_change_of_format_stays_in_its_place_and_is_told_to_those_who_come_after_it() -> None:
    changed = Tag(TagKind.VIDEO, 10_000, b"\x17\x00\x00\x00\x00other")
    buffer = filled(*GROUPS, changed, key(10_000), inter(10_500))
    assert served(buffer).index(changed) > served(buffer).index(HEADER)
    late = served(buffer, 10_000)
    assert [tag.payload for tag in late if tag.is_video and tag.is_sequence_header] == [changed.payload]


def test_its_size_is_bounded_by_whole_groups_of_pictures() -> None:
    buffer = filled(*(t for s in range(50) for t in (key(s, 500), inter(s, 500))), max_size=10_000)
    assert buffer.size <= 10_000
    assert served(buffer)[1].is_keyframe


def test_its_size_is_bounded_where_keyframes_never_come() -> None:
    buffer = filled(key(0, 500), *(inter(at, 500) for at in range(100)), max_size=10_000)
    assert buffer.size <= 10_000
    assert buffer.next == 101


def test_sound_alone_begins_anywhere() -> None:
    buffer = filled(SOUND_HEADER, *(sound(at) for at in range(0, 5000, 20)), keep_ms=1000)
    assert media(served(buffer))[0] == 3980
    assert media(served(buffer, 4500))[0] == 4500


def test_pictures_that_turn_up_late_are_what_it_begins_with_from_then_on() -> None:
    buffer = filled(*(sound(at) for at in range(0, 1000, 20)), key(1000), sound(1010), inter(1500), key(2000))
    assert media(served(buffer))[0] == 0
    assert media(served(buffer, 1700))[0] == 1000


def test_a_source_whose_pictures_stopped_long_ago_keeps_no_more_than_its_sound() -> None:
    tags = [*GROUPS, *(sound(at) for at in range(10_000, 30_000, 20))]
    buffer = filled(*tags, keep_ms=3000)
    assert media(served(buffer))[0] >= 26_900
    assert HEADER.payload in [tag.payload for tag in served(buffer)]
    for at in (30_000, 33_000, 36_000):
        buffer.append(key(at), 1_000_000 + at)
        buffer.append(sound(at + 10), 1_000_000 + at + 10)
    assert served(buffer)[4].is_keyframe, "once they are back, it begins with them"


def test_enhanced_rtmp_passes_through_unchanged() -> None:
    header, first = Tag(TagKind.VIDEO, 0, b"\x90hvc1" + bytes(9)), Tag(TagKind.VIDEO, 0, b"\x91hvc1" + bytes(9))
    buffer = filled(
        header, first, Tag(TagKind.VIDEO, 40, b"\xa1hvc1x"), Tag(TagKind.VIDEO, 80, b"\x91hvc1y"), keep_ms=10
    )
    assert served(buffer)[0].payload == header.payload
    assert served(buffer)[-1] == Tag(TagKind.VIDEO, 80, b"\x91hvc1y")


def test_a_consumer_that_falls_out_of_it_is_told() -> None:
    buffer = filled(*GROUPS, keep_ms=3000)
    for ask in (lambda: buffer.read(3, 1000), lambda: buffer.continuation(3)):
        with pytest.raises(FellBehind):
            ask()


def test_somebody_who_comes_back_goes_on_after_the_last_tag() -> None:
    buffer = filled(*GROUPS)
    data, after = buffer.read(0, 200)
    seen = list(TagReader().feed(buffer.continuation(0) + data))
    rest = list(TagReader().feed(buffer.continuation(after) + buffer.read(after, 1 << 30)[0]))
    assert read_mark(rest[0]) == SourceMark(after, 1_000_000 + rest[1].timestamp)
    assert [tag for tag in (*seen, *rest) if not is_mark(tag)] == GROUPS


def test_a_jump_of_the_publisher_s_clock_is_marked_where_it_happens() -> None:
    buffer = SourceBuffer(keep_ms=60_000, max_size=1_000_000)
    for at, received_at in ((0, 5000), (1000, 6000), (500_000, 7000)):
        buffer.append(key(at), received_at)
    tags = list(TagReader().feed(buffer.continuation(0) + buffer.read(0, 1 << 30)[0]))
    assert [read_mark(tag) for tag in tags] == [SourceMark(0, 5000), None, None, SourceMark(3, 7000), None]


def test_a_publisher_s_own_marks_are_not_let_through() -> None:
    buffer = filled(key(0), SourceMark(77, 99).tag(10), inter(20))
    assert [read_mark(tag) for tag in served(buffer)] == [SourceMark(0, 1_000_000), None, None]


def test_it_knows_whether_a_keyframe_has_come_since() -> None:
    buffer = filled(HEADER, SOUND_HEADER, key(0), sound(0), inter(33))
    assert buffer.has_keyframe_since(2)
    assert not buffer.has_keyframe_since(3)
    buffer.append(key(66), 1_000_066)
    assert buffer.has_keyframe_since(3)


def test_without_pictures_no_sound_is_a_keyframe() -> None:
    assert not filled(SOUND_HEADER, sound(0), sound(21)).has_keyframe_since(0)

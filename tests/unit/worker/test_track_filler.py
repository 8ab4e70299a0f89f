"""What stands in for a track that stops while the other goes on, frame by frame."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from ffmpeg_worker.track_filler import PICTURE_LOST_MS, SOUND_LOST_MS, TrackFiller
from headwater.media.codecs import AacConfiguration
from headwater.media.flv import Tag, TagKind

STEREO = AacConfiguration(object_type=2, sample_rate=48_000, channels=2)


def key(at: int) -> Tag:
    return Tag(TagKind.VIDEO, at, b"\x17\x01\x00\x00\x00key" + bytes([at // 1000 % 256]))


def inter(at: int) -> Tag:
    return Tag(TagKind.VIDEO, at, b"\x27\x01\x00\x00\x00inter")


def sound(at: int) -> Tag:
    return Tag(TagKind.AUDIO, at, b"\xaf\x01sound")


def source(until: int, gop: int = 1000) -> list[Tag]:
    """25 pictures a second, and sound."""
    pictures = [key(at) if at % gop == 0 else inter(at) for at in range(0, until, 40)]
    sounds = [sound(round(number * 1024 / 48)) for number in range(until * 48 // 1024)]
    return sorted((*pictures, *sounds), key=lambda tag: tag.timestamp)


def filled(tags: list[Tag], configuration: AacConfiguration | None = STEREO) -> list[Tag]:
    filler = TrackFiller()
    filler.begin(tags[0].timestamp)
    filler.learn_sound(configuration)
    return [out for tag in tags for out in filler.feed(tag)]


def pictures(tags: list[Tag]) -> list[Tag]:
    return [tag for tag in tags if tag.is_video]


def sounds(tags: list[Tag]) -> list[Tag]:
    return [tag for tag in tags if tag.is_audio]


def test_a_source_without_gaps_is_left_as_it_is() -> None:
    assert filled(source(20_000)) == source(20_000)
    assert filled(pictures(source(20_000)), None) == pictures(source(20_000))
    assert filled(sounds(source(20_000))) == sounds(source(20_000))


def test_the_last_keyframe_is_shown_again_every_second_while_there_is_only_sound() -> None:
    tags = [tag for tag in source(20_000) if tag.is_audio or tag.timestamp < 6500]
    stills = [tag for tag in pictures(filled(tags)) if tag.timestamp >= 6500]
    assert {tag.payload for tag in stills} == {key(6000).payload}
    assert [tag.timestamp for tag in stills] == list(range(6520, 20_000 - PICTURE_LOST_MS, 1000))
    assert sounds(filled(tags)) == sounds(tags)


def test_pictures_go_on_with_the_next_keyframe_and_none_that_refers_to_what_was_not_shown() -> None:
    tags = [tag for tag in source(20_000) if tag.is_audio or not 6500 <= tag.timestamp < 12_400]
    shown = pictures(filled(tags))
    assert [tag for tag in shown if tag.timestamp >= 13_000] == [t for t in pictures(tags) if t.timestamp >= 13_000]
    between = [tag for tag in shown if 6500 <= tag.timestamp < 13_000]
    assert all(tag.is_keyframe for tag in between)
    assert [tag.timestamp for tag in between] == [6520, 7520, 8520, 9520, 10_520, 11_520, 12_520]


def test_a_pause_that_ends_with_a_keyframe_is_filled_so_that_segments_stay_short_enough_to_copy() -> None:
    tags = [tag for tag in source(20_000) if tag.is_audio or not 6960 <= tag.timestamp < 9000]
    times = [tag.timestamp for tag in pictures(filled(tags)) if tag.is_keyframe]
    assert [at for at in times if 6000 <= at <= 10_000] == [6000, 6960, 7960, 8960, 9000, 10_000]


def test_slides_that_come_every_three_seconds_are_left_alone() -> None:
    tags = [tag for tag in source(20_000, gop=40_000) if tag.is_audio or tag.timestamp % 3000 == 0]
    assert filled(tags) == tags


def test_silence_stands_in_for_sound_that_stops_frame_by_frame_and_makes_room_when_it_is_back() -> None:
    tags = [tag for tag in source(20_000) if tag.is_video or not 5000 <= tag.timestamp < 12_000]
    heard = [tag.timestamp for tag in sounds(filled(tags))]
    assert all(later - earlier in range(10, 36) for earlier, later in itertools.pairwise(heard))
    assert pictures(filled(tags)) == pictures(tags)
    silence = {tag.payload for tag in sounds(filled(tags)) if 5000 <= tag.timestamp < 11_900}
    assert silence == {bytes.fromhex("af01211004608c1c")}


def test_a_track_that_is_always_late_is_waited_for_after_the_first_time() -> None:
    order = {
        "sound": lambda tag: tag.timestamp + (3500 if tag.is_audio else 0),
        "pictures": lambda tag: tag.timestamp + (5500 if tag.is_video and tag.timestamp >= 2000 else 0),
    }
    for late, arrives_at in order.items():
        tags = sorted(source(40_000), key=arrives_at)
        original = {(tag.kind, tag.timestamp, tag.payload) for tag in tags if tag.timestamp >= 12_000}
        result = {(tag.kind, tag.timestamp, tag.payload) for tag in filled(tags) if tag.timestamp >= 12_000}
        assert original <= result, late


def test_what_silence_cannot_be_made_of_is_not_stood_in_for() -> None:
    tags = [tag for tag in source(10_000) if tag.is_video or tag.timestamp < 2000]
    for configuration in (
        None,
        AacConfiguration(5, 48_000, 2),
        AacConfiguration(2, 48_000, 6),
        AacConfiguration(2, 0, 2),
        AacConfiguration(2, 16_000_000, 2),
    ):
        assert filled(tags, configuration) == tags


def test_sound_that_is_announced_late_was_not_missing_before() -> None:
    filler = TrackFiller()
    filler.begin(0)
    for tag in pictures(source(60_000)):
        filler.feed(tag)
    filler.learn_sound(STEREO)
    first = [out for tag in (key(60_000), key(63_000)) for out in filler.feed(tag) if out.is_audio]
    assert first
    assert min(tag.timestamp for tag in first) >= 59_000


def test_pictures_that_were_announced_but_never_came_are_missed_by_the_sound() -> None:
    filler = TrackFiller()
    filler.begin(1000)
    assert not filler.lacks_pictures(sound(1000 + PICTURE_LOST_MS))
    assert filler.lacks_pictures(sound(1001 + PICTURE_LOST_MS))
    filler.feed(key(2000))
    assert not filler.lacks_pictures(sound(90_000))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 12_000), st.booleans()), max_size=5))
def test_whatever_is_missing_each_track_moves_forward_and_never_lags_behind_for_long(
    gaps: list[tuple[int, int, bool]],
) -> None:
    tags = [
        tag
        for tag in source(40_000)
        if tag.timestamp == 0
        or not any(at <= tag.timestamp < at + length and tag.is_video is video for at, length, video in gaps)
    ]
    result = filled(tags)
    for track in (pictures(result), sounds(result)):
        assert all(earlier.timestamp < later.timestamp for earlier, later in itertools.pairwise(track))
    reached = max(tag.timestamp for tag in tags)
    assert reached - max(tag.timestamp for tag in pictures(result)) <= PICTURE_LOST_MS + 1040
    assert reached - max(tag.timestamp for tag in sounds(result)) <= SOUND_LOST_MS + 40

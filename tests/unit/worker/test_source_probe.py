"""Whatever an encoder sends is measured, or refused with a sentence for its owner."""

from __future__ import annotations

import struct
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from ffmpeg_worker.source import OTHER_TRACK_LIMIT_MS, UNANNOUNCED_SOUND_LIMIT_MS, SourceProbe
from ffmpeg_worker.transcode_plan import Keyframes, copies_too_much, plan_transcode
from headwater.domain.ladder import Source
from headwater.media.flv import Tag, TagKind

_SPS_FOLLOWS = bytes.fromhex("17000000000164001fffe1")
_HEADERS = (
    b"",
    b"\x17\x00\0\0\0",
    b"\x17\x01\0\0\0",
    b"\x27\x01\xff\xff\0",
    b"\xaf\x00",
    b"\xaf\x01",
    b"\x2f",
    b"\x90hvc1",
)
_payloads = st.one_of(
    st.builds(lambda header, rest: header + rest, st.sampled_from(_HEADERS), st.binary(min_size=1, max_size=40)),
    st.binary(max_size=40).map(lambda sps: _SPS_FOLLOWS + (1 + len(sps)).to_bytes(2, "big") + b"\x67" + sps),
)
_tags = st.builds(Tag, st.sampled_from(list(TagKind)), st.integers(0, 2**32 - 1), _payloads)


@settings(max_examples=300)
@given(st.lists(_tags, max_size=25))
def test_nothing_that_is_sent_makes_the_measure_fail(tags: list[Tag]) -> None:
    probe = SourceProbe()
    for tag in tags:
        probe.feed(tag)
        if probe.refusal:
            assert probe.refusal.startswith("The encoder")
            return
        source = probe.measure()
        assert probe.is_complete in (True, False)
        with suppress(ValueError):  # a picture too small to encode
            assert not copies_too_much(plan_transcode(source, Keyframes.SOURCE), source)


AAC_HEADER, AAC_FRAME = b"\xaf\x00\x12\x10", b"\xaf\x01\x21"
AVC_HEADER = bytes.fromhex("17000000000142c00dffe1000b6742c00dda0507ec0440000003000100046801a8c8")


def announced(**values: float) -> Tag:
    pairs = b"".join(
        len(name).to_bytes(2, "big") + name.encode() + b"\0" + struct.pack(">d", value)
        for name, value in values.items()
    )
    payload = b"\x02\0\x0aonMetaData" + b"\x08" + len(values).to_bytes(4, "big") + pairs + b"\0\0\x09"
    return Tag(TagKind.DATA, 0, payload)


def test_sound_that_is_announced_alone_waits_for_the_pictures_that_follow() -> None:
    probe = SourceProbe()
    for tag in (announced(audiocodecid=10.0), Tag(TagKind.AUDIO, 0, AAC_HEADER)):
        probe.feed(tag)
    for at in range(0, 210, 23):
        probe.feed(Tag(TagKind.AUDIO, at, AAC_FRAME))
        assert not probe.is_complete, at
    probe.feed(Tag(TagKind.VIDEO, 209, AVC_HEADER))
    assert probe.has_video
    assert probe.is_complete


def test_what_never_comes_is_not_waited_for_forever() -> None:
    sound = SourceProbe()
    sound.feed(Tag(TagKind.AUDIO, 0, AAC_HEADER))
    pictures = SourceProbe()
    for tag in (announced(videocodecid=7.0), Tag(TagKind.VIDEO, 0, AVC_HEADER)):
        pictures.feed(tag)
    for at in range(0, 2000, 20):
        sound.feed(Tag(TagKind.AUDIO, at, AAC_FRAME))
        pictures.feed(Tag(TagKind.VIDEO, at, b"\x27\x01\0\0\0\0"))
        assert sound.is_complete == (at >= OTHER_TRACK_LIMIT_MS)
        assert pictures.is_complete == (at >= UNANNOUNCED_SOUND_LIMIT_MS)


def test_what_was_copied_on_its_encoders_word_is_found_out() -> None:
    told = Source(1920, 1080, 30.0, "h264", True, 0, "aac_lc", 48_000, 2, 0)
    plan = plan_transcode(told, Keyframes.SOURCE)
    assert (plan.copied_video, plan.copied_audio) == ("1080p", "audio")
    assert not copies_too_much(plan, told)
    for measured in (
        Source(1920, 1080, 30.0, "h264", True, 9_000_000, "aac_lc", 48_000, 2, 128_000),
        Source(1920, 1080, 30.0, "h264", True, 6_000_000, "aac_lc", 48_000, 2, 320_000),
    ):
        assert copies_too_much(plan, measured)

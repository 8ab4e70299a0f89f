"""Fragmented MP4 against bytes written out by hand, so that a mistake cannot hide in shared code."""

from __future__ import annotations

import struct

import pytest

from headwater.media import fmp4
from headwater.media.fmp4 import Sample
from headwater.media.timeline import TrackKind

SYNC, DELTA = 0x02000000, 0x01010000
AVC_CONFIGURATION = bytes.fromhex("0164001fffe100046764001f01000168")
AAC_CONFIGURATION = bytes.fromhex("1190")


def box(kind: str, *payload: bytes) -> bytes:
    content = b"".join(payload)
    return struct.pack(">I", 8 + len(content)) + kind.encode() + content


def u32(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def u64(value: int) -> bytes:
    return struct.pack(">Q", value)


def test_frames_of_sound_share_all_but_their_sizes() -> None:
    samples = [Sample(1024 * n, 0, is_sync=True, data=bytes([n]) * (10 + n)) for n in range(3)]
    moof = box(
        "moof",
        box("mfhd", u32(0, 5)),
        box(
            "traf",
            box("tfhd", u32(0x020028, 1, 1024, SYNC)),
            box("tfdt", u32(0x01000000), u64(0)),
            box("trun", u32(0x01000201, 3, 0x6C + 8, 10, 11, 12)),
        ),
    )
    assert len(moof) == 0x6C
    assert fmp4.fragment(5, samples, 3072) == moof + box("mdat", bytes([0] * 10 + [1] * 11 + [2] * 12))


def test_pictures_keep_their_own_durations_offsets_and_the_flag_of_the_first() -> None:
    begin = 1 << 32
    samples = [
        Sample(begin, 6000, is_sync=True, data=b"aaaa"),
        Sample(begin + 3000, 9000, is_sync=False, data=memoryview(b"bb")),
        Sample(begin + 6001, 0, is_sync=False, data=b"ccc"),
    ]
    moof = box(
        "moof",
        box("mfhd", u32(0, 7)),
        box(
            "traf",
            box("tfhd", u32(0x020020, 1, DELTA)),
            box("tfdt", u32(0x01000000), u64(begin + 6000)),  # moved by the first one's delay,
            box(
                "trun",
                u32(0x01000B05, 3, 0x84 + 8, SYNC),
                u32(3000, 4, 0),  # so it is shown when it is decoded,
                u32(3001, 2, 3000),
                u32(2999, 3, -6000 & 0xFFFFFFFF),  # and this one before
            ),
        ),
    )
    assert len(moof) == 0x84
    assert fmp4.fragment(7, samples, begin + 9000, shift=6000) == moof + box("mdat", b"aaaabbccc")


def test_pictures_that_are_all_keyframes_or_alone_need_no_flag_of_the_first() -> None:
    one = fmp4.fragment(1, [Sample(0, 0, is_sync=True, data=b"a")], 3000)
    assert box("tfhd", u32(0x020038, 1, 3000, 1, SYNC)) in one
    assert box("trun", u32(0x01000001, 1, one.index(b"mdat") + 4)) in one


def test_a_mixture_of_keyframes_is_told_frame_by_frame() -> None:
    samples = [Sample(3000 * n, 0, is_sync=n != 1, data=b"x") for n in range(3)]
    data = fmp4.fragment(1, samples, 9000)
    assert box("trun", u32(0x01000401, 3, data.index(b"mdat") + 4, SYNC, DELTA, SYNC)) in data


def test_the_init_segment_of_a_picture_track() -> None:
    init = fmp4.video_init(AVC_CONFIGURATION, 1280, 720)
    assert (init.kind, init.codec, init.timescale) == (TrackKind.VIDEO, "avc1.64001f", 90_000)
    assert (init.width, init.height, init.channels, init.sample_rate) == (1280, 720, 0, 0)
    entry = box(
        "avc1",
        bytes(6) + b"\0\1" + bytes(16) + struct.pack(">HH", 1280, 720) + u32(0x480000, 0x480000, 0),
        b"\0\1" + bytes(32) + b"\0\x18\xff\xff",
        box("avcC", AVC_CONFIGURATION),
        box("pasp", u32(1, 1)),
    )
    assert box("stsd", u32(0, 1), entry) in init.data
    assert init.data.startswith(box("ftyp", b"iso6", u32(0), b"iso6cmfc"))
    assert box("mdhd", u32(0, 0, 0, 90_000, 0, 0x55C40000)) in init.data
    assert init.data.endswith(box("mvex", box("trex", u32(0, 1, 1, 0, 0, 0))))


def test_the_init_segment_of_a_sound_track() -> None:
    init = fmp4.audio_init(AAC_CONFIGURATION)
    assert (init.kind, init.codec, init.timescale) == (TrackKind.AUDIO, "mp4a.40.2", 48_000)
    assert (init.width, init.height, init.channels, init.sample_rate) == (0, 0, 2, 48_000)
    descriptor = bytes.fromhex("03 19 0000 00 04 11 40 15 000000 00000000 00000000 05 02 1190 06 01 02")
    entry = box(
        "mp4a",
        bytes(6) + b"\0\1" + bytes(8) + struct.pack(">HHHHI", 2, 16, 0, 0, 48_000 << 16),
        box("esds", u32(0), descriptor),
    )
    assert box("stsd", u32(0, 1), entry) in init.data
    assert box("smhd", u32(0, 0)) in init.data


@pytest.mark.parametrize("configuration", [b"", b"\x11", b"\x16\x80", b"\x11\x90" + bytes(200)])
def test_a_configuration_that_cannot_be_read_is_refused(configuration: bytes) -> None:
    with pytest.raises(ValueError, match=r"AudioSpecificConfig|reserved"):
        fmp4.audio_init(configuration)
    with pytest.raises(ValueError, match="AVC"):
        fmp4.video_init(configuration, 640, 360)

"""The box parser against bytes written out by hand, so that a mistake cannot hide in shared code."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.errors import MediaFormatError
from headwater.media.boxes import Fragment, FragmentReader, InitSegment, merge_fragments
from headwater.media.timeline import TrackKind

SYNC, DELTA = 0x02000000, 0x01010000


def box(kind: str, *payload: bytes) -> bytes:
    content = b"".join(payload)
    return struct.pack(">I", 8 + len(content)) + kind.encode() + content


def u32(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


# One moof as FFmpeg writes it: three samples, first-sample-flags, per-sample duration, size and composition offset.
VIDEO_FRAGMENT = bytes.fromhex(
    "0000008c 6d6f6f66"  # moof, 140 bytes
    "00000010 6d666864 00000000 00000001"  # mfhd, sequence number 1
    "00000074 74726166"  # traf, 116 bytes
    "0000001c 74666864 00020038 00000001 00000bb8 00000004 01010000"  # tfhd: base is moof; duration, size, flags
    "00000014 74666474 01000000 00000001 00000000"  # tfdt version 1: 2^32
    "0000003c 7472756e 00000b05 00000003 00000094 02000000"  # trun: 3 samples, data at 148, the first one is sync
    "00000bb8 00000004 00001770"  # 3000 ticks, 4 bytes, shown 6000 later
    "00000bb9 00000002 00002328"  # 3001, 2, 9000
    "00000bb7 00000003 00000000"  # 2999, 3, 0
    "00000011 6d646174 aaaaaaaa bbbb cccccc"  # mdat
)


def audio_fragment(decode_time: int, *samples: bytes, duration: int = 1024) -> bytes:
    """What FFmpeg writes with `frag_every_frame`: everything in tfhd, one sample, no fields in trun."""
    (sample,) = samples
    tfhd = box("tfhd", u32(0x020038, 1, duration, len(sample), SYNC))
    tfdt = box("tfdt", u32(0x01000000), struct.pack(">Q", decode_time))
    moof_size = 8 + 16 + 8 + len(tfhd) + len(tfdt) + 20
    moof = box("moof", box("mfhd", u32(0, 7)), box("traf", tfhd, tfdt, box("trun", u32(1, 1, moof_size + 8))))
    return moof + box("mdat", sample)


AVC_CONFIGURATION = bytes.fromhex("0164001f ffe10004 67640 01f 01000168".replace(" ", ""))
VISUAL_ENTRY = box(
    "avc1",
    bytes(6) + b"\0\1",
    bytes(16) + struct.pack(">HH", 1280, 720) + bytes(50),
    box("avcC", AVC_CONFIGURATION),
    box("pasp", u32(1, 1)),
)
ES = bytes.fromhex("03 19 0001 00 04 11 40 15 000000 0001f400 0001f400 05 02 1190 06 01 02".replace(" ", ""))
AUDIO_ENTRY = box(
    "mp4a",
    bytes(6) + b"\0\1" + bytes(8) + struct.pack(">HHHHI", 2, 16, 0, 0, 48_000 << 16),
    box("esds", u32(0), ES),
)
FTYP = box("ftyp", b"iso5", u32(512), b"iso5iso6mp41")


def moov(entry: bytes, handler: bytes, timescale: int, *, extra: bytes = b"", version: int = 0) -> bytes:
    times = u32(0, 0, timescale, 0) if version == 0 else struct.pack(">QQIQ", 0, 0, timescale, 0)
    stbl = box("stbl", box("stsd", u32(0, 1), entry))
    mdia = box(
        "mdia",
        box("mdhd", u32(version << 24), times, u32(0)),
        box("hdlr", u32(0, 0), handler, bytes(13)),
        box("minf", stbl),
    )
    trak = box("trak", box("tkhd", u32(0)), extra, mdia)
    return box("moov", box("mvhd", u32(0)), trak, box("mvex", box("trex", u32(0, 1, 1, 0, 0, 0))), box("udta", b"tool"))


def read(*chunks: bytes) -> list[InitSegment | Fragment]:
    reader = FragmentReader()
    return [item for chunk in chunks for item in reader.feed(chunk)]


def fragment(data: bytes) -> Fragment:
    (item,) = read(data)
    assert isinstance(item, Fragment)
    return item


def test_a_video_moof_is_read_field_by_field() -> None:
    item = fragment(VIDEO_FRAGMENT)
    assert item == Fragment(
        data=VIDEO_FRAGMENT,
        decode_time=2**32,
        duration=9000,
        starts_with_sync=True,
        sample_count=3,
        presentation_time=2**32 + 6000,
        decode_shift=6000,
    )


def test_an_init_segment_tells_the_video_track() -> None:
    (init,) = read(FTYP, moov(VISUAL_ENTRY, b"vide", 90_000))
    assert isinstance(init, InitSegment)
    assert (init.kind, init.codec, init.timescale) == (TrackKind.VIDEO, "avc1.64001f", 90_000)
    assert (init.width, init.height, init.channels, init.sample_rate) == (1280, 720, 0, 0)


def test_an_init_segment_tells_the_audio_track() -> None:
    (init,) = read(FTYP + moov(AUDIO_ENTRY, b"soun", 48_000, version=1))
    assert isinstance(init, InitSegment)
    assert (init.kind, init.codec, init.timescale) == (TrackKind.AUDIO, "mp4a.40.2", 48_000)
    assert (init.width, init.height, init.channels, init.sample_rate) == (0, 0, 2, 48_000)


def test_edit_lists_and_tags_are_taken_out_of_the_init_segment_and_nothing_else() -> None:
    edits = box("edts", box("elst", u32(0, 1, 0, 6030, 0x00010000)))
    (init,) = read(FTYP + moov(VISUAL_ENTRY, b"vide", 90_000, extra=edits))
    clean = moov(VISUAL_ENTRY, b"vide", 90_000).replace(box("udta", b"tool"), b"")
    clean = u32(len(clean)) + clean[4:]
    assert isinstance(init, InitSegment)
    assert init.data == FTYP + clean


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_it_does_not_matter_how_the_pipe_cuts_the_bytes(sizes: list[int]) -> None:
    stream = FTYP + moov(VISUAL_ENTRY, b"vide", 90_000) + VIDEO_FRAGMENT + box("mfra", bytes(12)) + VIDEO_FRAGMENT
    chunks, position = [], 0
    for size in sizes:
        chunks.append(stream[position : position + size])
        position += size
    chunks.append(stream[position:])
    assert read(*chunks) == read(stream)
    assert len(read(stream)) == 3


def test_single_frames_merge_into_one_fragment_that_says_what_they_share_once() -> None:
    frames = [fragment(audio_fragment(1024 * n, bytes([n]) * (10 + n))) for n in range(3)]
    merged = merge_fragments(frames, 5)
    expected_moof = box(
        "moof",
        box("mfhd", u32(0, 5)),
        box(
            "traf",
            box("tfhd", u32(0x020028, 1, 1024, SYNC)),
            box("tfdt", u32(0x01000000), struct.pack(">Q", 0)),
            box("trun", u32(0x01000201, 3, 0x6C + 8, 10, 11, 12)),
        ),
    )
    assert len(expected_moof) == 0x6C
    assert merged.data == expected_moof + box("mdat", bytes([0] * 10 + [1] * 11 + [2] * 12))
    assert (merged.decode_time, merged.duration, merged.sample_count) == (0, 3072, 3)


def test_merging_keeps_flags_and_presentation_times_of_every_sample() -> None:
    first = fragment(VIDEO_FRAGMENT)
    second_data = VIDEO_FRAGMENT.replace(struct.pack(">Q", 2**32), struct.pack(">Q", 2**32 + 9000))
    merged = merge_fragments([first, fragment(second_data)], 2)
    assert merged.decode_time == merged.presentation_time == first.presentation_time
    trun = merged.data[merged.data.index(b"trun") + 4 :]
    assert struct.unpack_from(">II", trun) == (0x01000F01, 6), "durations, sizes, flags, offsets: none is shared"
    rows = list(struct.iter_unpack(">IIIi", trun[12 : 12 + 6 * 16]))
    once = [(3000, 4, SYNC, 0), (3001, 2, DELTA, 3000), (2999, 3, DELTA, -6000)]
    assert rows == once * 2
    assert merged.data.endswith(bytes.fromhex("aaaaaaaa bbbb cccccc") * 2)
    assert merged.starts_with_sync


def test_where_a_fragment_begins_late_the_sample_before_it_lasts_until_then() -> None:
    frames = [fragment(audio_fragment(0, b"a")), fragment(audio_fragment(1030, b"b"))]
    merged = merge_fragments(frames, 1)
    assert merged.duration == 1030 + 1024
    rows = merged.data[merged.data.index(b"trun") + 4 + 12 :]
    assert struct.unpack_from(">II", rows) == (1030, 1024)


def test_all_segments_of_a_track_are_shifted_alike_so_that_they_join() -> None:
    reordered = VIDEO_FRAGMENT.replace(struct.pack(">Q", 2**32), struct.pack(">Q", 2**32 + 9000))
    reordered = reordered.replace(u32(3000, 4, 6000), u32(3000, 4, 6001))  # times in milliseconds waver like this
    first, second = read(VIDEO_FRAGMENT, reordered)
    assert isinstance(first, Fragment) and isinstance(second, Fragment)
    segments = [merge_fragments([first], 1), merge_fragments([second], 2)]
    assert segments[0].decode_time + segments[0].duration == segments[1].decode_time
    assert segments[1].presentation_time == second.presentation_time == segments[1].decode_time + 1


def test_merging_what_is_one_fragment_already_changes_nothing_more() -> None:
    item = fragment(VIDEO_FRAGMENT)
    merged = merge_fragments([item], 9)
    told = replace(merged, data=b"", decode_time=item.decode_time, decode_shift=item.decode_shift)
    assert told == replace(item, data=b"")
    assert merge_fragments([merged], 9) == merged


def test_fragments_that_overlap_are_refused() -> None:
    frames = [fragment(audio_fragment(5000, b"a")), fragment(audio_fragment(1000, b"b"))]
    with pytest.raises(MediaFormatError):
        merge_fragments(frames, 1)
    with pytest.raises(MediaFormatError):
        merge_fragments([], 1)


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\7moof",  # smaller than its own header
        b"\xff\xff\xff\xffmdat",  # 4 GiB
        box("junk"),
        box("mdat", b"x"),
        box("moof", box("mfhd", u32(0, 1))) + box("mdat"),
        VIDEO_FRAGMENT.replace(bytes.fromhex("00020038"), bytes.fromhex("00000038")),  # offsets from the file's start
        VIDEO_FRAGMENT.replace(bytes.fromhex("00000003 00000094"), bytes.fromhex("ffffffff 00000094")),  # 4 G samples
        VIDEO_FRAGMENT.replace(bytes.fromhex("00000003 00000094"), bytes.fromhex("00000000 00000094")),  # none
        VIDEO_FRAGMENT.replace(bytes.fromhex("00000003 00000094"), bytes.fromhex("00000003 00000097")),  # past the end
        VIDEO_FRAGMENT.replace(bytes.fromhex("00000003 00000094"), bytes.fromhex("00000003 00000010")),  # in the moof
        VIDEO_FRAGMENT.replace(b"tfdt", b"free"),
        audio_fragment(0, b"a").replace(
            bytes.fromhex("00000001 00000001 0000006c"), bytes.fromhex("00000001 ffffffff 0000006c")
        ),
        box("moov", box("mvhd", u32(0))),
        FTYP + moov(box("hev1", bytes(78)), b"vide", 90_000),
        FTYP + moov(VISUAL_ENTRY.replace(b"avcC", b"free"), b"vide", 90_000),
        FTYP + moov(AUDIO_ENTRY.replace(b"esds", b"free"), b"soun", 48_000),
    ],
)
def test_what_is_no_such_stream_is_refused_and_not_guessed(data: bytes) -> None:
    with pytest.raises(MediaFormatError):
        read(data)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_no_damage_makes_the_reader_fail_otherwise(data: st.DataObject) -> None:
    stream = bytearray(FTYP + moov(AUDIO_ENTRY, b"soun", 48_000) + VIDEO_FRAGMENT + audio_fragment(0, b"abc"))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    try:
        items = read(bytes(stream))
        fragments = [item for item in items if isinstance(item, Fragment)]
        if fragments:
            merge_fragments(fragments, 1)
    except MediaFormatError:
        pass

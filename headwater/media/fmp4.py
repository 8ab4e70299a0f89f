"""Stages 4 and 5 · writes fragmented MP4, one track per file: initialisation segments and fragments (CMAF, ISO/IEC 23000-19).

Boxes are those of ISO/IEC 14496-12, sample entries those of 14496-15 (AVC) and 14496-14 (AAC). Times are in the track's own
timescale. Sample data is taken as RTMP brings it: H.264 with lengths before its NAL units, AAC without headers of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from headwater.media.codecs import AacConfiguration, avc_codec
from headwater.media.timeline import TrackKind

VIDEO_TIMESCALE = 90_000

_TRACK_ID = 1
_TFHD_DEFAULT_DURATION = 0x000008
_TFHD_DEFAULT_SIZE = 0x000010
_TFHD_DEFAULT_FLAGS = 0x000020
_TFHD_DEFAULT_BASE_IS_MOOF = 0x020000
_TRUN_DATA_OFFSET = 0x000001
_TRUN_FIRST_SAMPLE_FLAGS = 0x000004
_TRUN_DURATION = 0x000100
_TRUN_SIZE = 0x000200
_TRUN_FLAGS = 0x000400
_TRUN_COMPOSITION_OFFSET = 0x000800
_SYNC_SAMPLE = 0x02000000  # depends on no other
_NON_SYNC_SAMPLE = 0x01010000  # depends on others, is no sync sample

_IDENTITY = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED_LANGUAGE = 0x55C4
_RESOLUTION_72_DPI = 0x480000
_DEPTH_24 = 24
_MPEG4_AUDIO, _AUDIO_STREAM = 0x40, 0x15


@dataclass(frozen=True, slots=True)
class InitSegment:
    """A track's `ftyp` and `moov`, and what manifests say of it. `codec` is an RFC 6381 string."""

    data: bytes
    kind: TrackKind
    codec: str
    timescale: int
    width: int = 0
    height: int = 0
    channels: int = 0
    sample_rate: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture, or one frame of sound. It lasts until the next one is decoded."""

    decode_time: int
    composition_offset: int  # from decoding to presentation
    is_sync: bool
    data: bytes | memoryview


def video_init(configuration: bytes, width: int, height: int) -> InitSegment:
    """`configuration` is an AVCDecoderConfigurationRecord. Raises ValueError."""
    codec = avc_codec(configuration)
    entry = _box(
        b"avc1",
        bytes(6) + struct.pack(">H", 1),
        bytes(16) + struct.pack(">HHII", width, height, _RESOLUTION_72_DPI, _RESOLUTION_72_DPI),
        bytes(4) + struct.pack(">H32xHh", 1, _DEPTH_24, -1),
        _box(b"avcC", configuration),
        _box(b"pasp", struct.pack(">II", 1, 1)),
    )
    header = _full_box(b"vmhd", 0, 1, bytes(8))
    data = _init(b"vide", header, entry, VIDEO_TIMESCALE, width, height)
    return InitSegment(data, TrackKind.VIDEO, codec, VIDEO_TIMESCALE, width=width, height=height)


def audio_init(configuration: bytes) -> InitSegment:
    """`configuration` is an AudioSpecificConfig. Raises ValueError."""
    aac = AacConfiguration.parse(configuration)
    specific = _descriptor(0x05, configuration)
    decoder = _descriptor(0x04, bytes([_MPEG4_AUDIO, _AUDIO_STREAM]) + bytes(11) + specific)
    stream = _descriptor(0x03, bytes(3) + decoder + _descriptor(0x06, b"\x02"))
    entry = _box(
        b"mp4a",
        bytes(6) + struct.pack(">H", 1),
        bytes(8) + struct.pack(">HHHHI", aac.channels, 16, 0, 0, (aac.sample_rate & 0xFFFF) << 16),
        _full_box(b"esds", 0, 0, stream),
    )
    data = _init(b"soun", _full_box(b"smhd", 0, 0, bytes(4)), entry, aac.sample_rate, 0, 0)
    return InitSegment(
        data, TrackKind.AUDIO, aac.codec, aac.sample_rate, channels=aac.channels, sample_rate=aac.sample_rate
    )


def fragment(sequence_number: int, samples: Sequence[Sample], end: int, shift: int = 0) -> bytes:
    """One `moof` and `mdat` of `samples`, of which there is at least one; the last of them lasts until `end`.

    The whole track is moved by `shift`, without showing any picture at another time: with the reordering delay of the
    track's first sample, a segment's `tfdt` is when it is shown, and composition offsets are negative where need be (CMAF
    7.5.17). Players that place a segment by its `tfdt` (hls.js does) would otherwise leave a hole before every epoch.
    In the fewest bytes: what all samples share is said once, in `tfhd`.
    """
    times = [sample.decode_time for sample in samples]
    durations = [after - before for before, after in pairwise([*times, end])]
    sizes = [len(sample.data) for sample in samples]
    flags = [_SYNC_SAMPLE if sample.is_sync else _NON_SYNC_SAMPLE for sample in samples]
    offsets = [sample.composition_offset - shift for sample in samples]

    tfhd_flags, trun_flags = _TFHD_DEFAULT_BASE_IS_MOOF, _TRUN_DATA_OFFSET
    defaults = b""
    columns: list[list[int]] = []
    for values, others, default_bit, run_bit in (
        (durations, durations, _TFHD_DEFAULT_DURATION, _TRUN_DURATION),
        (sizes, sizes, _TFHD_DEFAULT_SIZE, _TRUN_SIZE),
        (flags, flags[1:] or flags, _TFHD_DEFAULT_FLAGS, _TRUN_FLAGS),
    ):
        if min(others) == max(others):
            tfhd_flags |= default_bit
            defaults += struct.pack(">I", others[0])
        else:
            trun_flags |= run_bit
            columns.append(values)
    first_flags = b""
    if tfhd_flags & _TFHD_DEFAULT_FLAGS and flags[0] != flags[-1]:
        trun_flags |= _TRUN_FIRST_SAMPLE_FLAGS
        first_flags = struct.pack(">I", flags[0])
    if any(offsets):
        trun_flags |= _TRUN_COMPOSITION_OFFSET
        columns.append([offset & 0xFFFFFFFF for offset in offsets])
    table = [value for row in zip(*columns, strict=True) for value in row]
    rows = struct.pack(f">{len(table)}I", *table)

    sequence = _full_box(b"mfhd", 0, 0, struct.pack(">I", sequence_number))
    header = _full_box(b"tfhd", 0, tfhd_flags, struct.pack(">I", _TRACK_ID) + defaults)
    decode_time = _full_box(b"tfdt", 1, 0, struct.pack(">Q", times[0] + shift))
    run_size = 12 + 8 + len(first_flags) + len(rows)
    moof_size = 8 + len(sequence) + 8 + len(header) + len(decode_time) + run_size
    run = struct.pack(">Ii", len(samples), moof_size + 8) + first_flags + rows
    traf = _box(b"traf", header, decode_time, _full_box(b"trun", 1, trun_flags, run))
    return _box(b"moof", sequence, traf) + _box(b"mdat", *(sample.data for sample in samples))


def _init(handler: bytes, media_header: bytes, entry: bytes, timescale: int, width: int, height: int) -> bytes:
    volume = 0x100 if handler == b"soun" else 0
    source = _box(b"dinf", _full_box(b"dref", 0, 0, struct.pack(">I", 1), _full_box(b"url ", 0, 1)))
    table = _box(
        b"stbl",
        _full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry),
        *(_full_box(kind, 0, 0, bytes(4)) for kind in (b"stts", b"stsc", b"stco")),
        _full_box(b"stsz", 0, 0, bytes(8)),
    )
    media = _box(
        b"mdia",
        _full_box(b"mdhd", 0, 0, struct.pack(">8xIIHH", timescale, 0, _UNDETERMINED_LANGUAGE, 0)),
        _full_box(b"hdlr", 0, 0, struct.pack(">I4s12xx", 0, handler)),
        _box(b"minf", media_header, source, table),
    )
    enabled_in_movie = 3
    track = _full_box(
        b"tkhd",
        0,
        enabled_in_movie,
        struct.pack(">8xIIIQHHHH", _TRACK_ID, 0, 0, 0, 0, 0, volume, 0),
        _IDENTITY + struct.pack(">II", width << 16, height << 16),
    )
    movie = _full_box(
        b"mvhd",
        0,
        0,
        struct.pack(">8xIIIH10x", 1000, 0, 0x10000, 0x100),
        _IDENTITY + struct.pack(">24xI", _TRACK_ID + 1),
    )
    extends = _box(b"mvex", _full_box(b"trex", 0, 0, struct.pack(">IIIII", _TRACK_ID, 1, 0, 0, 0)))
    brands = _box(b"ftyp", b"iso6", bytes(4), b"iso6", b"cmfc")
    return brands + _box(b"moov", movie, _box(b"trak", track, media), extends)


def _descriptor(tag: int, payload: bytes) -> bytes:
    """ISO/IEC 14496-1, 8.3.3. Raises ValueError when `payload` is longer than any decoder's configuration."""
    if len(payload) >= 0x80:
        raise ValueError("an AudioSpecificConfig of that length")
    return bytes([tag, len(payload)]) + payload


def _box(kind: bytes, *contents: bytes | memoryview) -> bytes:
    return b"".join((struct.pack(">I4s", 8 + sum(map(len, contents)), kind), *contents))


def _full_box(kind: bytes, version: int, flags: int, *contents: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *contents)

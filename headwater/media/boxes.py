"""Stage 4 · reads the fragmented MP4 that FFmpeg writes on a pipe, one track per pipe, as the bytes arrive.

Only what a packager must know of ISO/IEC 14496-12: where fragments begin and end, when their samples are decoded and shown,
and whether they start at a random access point. Sample data is never touched. Times are in the track's own timescale.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from headwater.errors import MediaFormatError
from headwater.media.codecs import aac_configuration, avc_codec
from headwater.media.timeline import TrackKind

MAX_BOX_BYTES = 64 * 1024 * 1024  # a fragment lasts half a second; far above any bitrate that we accept
MAX_SAMPLES = 1 << 16  # of one trun: samples that all look alike take no bytes in it, so its size is no limit

_TFHD_BASE_DATA_OFFSET = 0x000001
_TFHD_SAMPLE_DESCRIPTION = 0x000002
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
_SAMPLE_IS_NON_SYNC = 0x00010000

_PASSED_OVER = frozenset({b"styp", b"sidx", b"mfra", b"free", b"skip", b"prft", b"emsg", b"udta"})
_DROPPED_FROM_MOOV = frozenset(
    {b"edts", b"udta"}
)  # an edit list would shift one track against the others; a tag says nothing


@dataclass(frozen=True, slots=True)
class InitSegment:
    """The initialisation segment of a track: `ftyp` and `moov`, without edit lists. `codec` is an RFC 6381 string."""

    data: bytes
    kind: TrackKind
    codec: str
    timescale: int
    width: int
    height: int
    channels: int
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """One `moof` with its `mdat`. `duration` is the exact sum of the samples'.

    `presentation_time` is the earliest of its samples', which B-frames set apart from `decode_time`; it is the time that
    compares across tracks. `decode_shift` says how far apart the two are at the start of the track. Merging takes it out,
    with negative composition offsets as in CMAF (ISO/IEC 23000-19, 7.5.17): players that place a segment by its `tfdt`
    (hls.js does) would otherwise show every epoch late by the reordering delay and leave a hole before it.
    """

    data: bytes
    decode_time: int
    duration: int
    starts_with_sync: bool
    sample_count: int
    presentation_time: int
    decode_shift: int = 0


class FragmentReader:
    """Turns a byte stream into an `InitSegment` and then `Fragment`s, however the bytes are cut into chunks."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._ftyp = b""
        self._moof = b""
        self._decode_shift: int | None = None

    def feed(self, chunk: bytes) -> list[InitSegment | Fragment]:
        """Everything that `chunk` completes, in order. Raises MediaFormatError, after which the reader is of no more use."""
        self._pending += chunk
        completed: list[InitSegment | Fragment] = []
        while (box := self._next_box()) is not None:
            kind, data = box
            if kind == b"ftyp":
                self._ftyp = data
            elif kind == b"moov":
                self._decode_shift = None
                completed.append(read_init(self._ftyp, data))
            elif kind == b"moof":
                self._moof = data
            elif kind == b"mdat":
                if not self._moof:
                    raise MediaFormatError("mdat without a moof before it")
                completed.append(self._fragment(self._moof + data))
                self._moof = b""
            elif kind not in _PASSED_OVER:
                raise MediaFormatError(f"unexpected box {kind!r}")
        return completed

    def _fragment(self, data: bytes) -> Fragment:
        moof = _parse(data)
        fragment = _describe(data, moof.decode_time, moof.samples)
        if self._decode_shift is None:
            self._decode_shift = fragment.presentation_time - fragment.decode_time
        return replace(fragment, decode_shift=self._decode_shift)

    def _next_box(self) -> tuple[bytes, bytes] | None:
        pending = self._pending
        if len(pending) < 8:
            return None
        size, kind = struct.unpack_from(">I4s", pending)
        if size == 1:
            if len(pending) < 16:
                return None
            (size,) = struct.unpack_from(">Q", pending, 8)
        if not 8 <= size <= MAX_BOX_BYTES:
            raise MediaFormatError(f"box {kind!r} claims {size} bytes")
        if len(pending) < size:
            return None
        data = bytes(pending[:size])
        del pending[:size]
        return kind, data


def read_init(ftyp: bytes, moov: bytes) -> InitSegment:
    """The clean initialisation segment made of FFmpeg's `ftyp` and `moov`. Raises MediaFormatError."""
    try:
        return _read_init(ftyp, moov)
    except (struct.error, KeyError, IndexError, ValueError) as error:
        raise MediaFormatError(f"unreadable moov: {error}") from error


def _read_init(ftyp: bytes, moov: bytes) -> InitSegment:
    clean = _without(moov, _DROPPED_FROM_MOOV)
    tracks = [box for kind, box in _children(clean) if kind == b"trak"]
    if len(tracks) != 1:
        raise MediaFormatError(f"one track was expected on this pipe, not {len(tracks)}")
    media = _descend(tracks[0], b"mdia")
    header = _descend(media, b"mdhd")
    version = header[8]
    (timescale,) = struct.unpack_from(">I", header, 28 if version == 1 else 20)
    handler = _descend(media, b"hdlr")[16:20]
    entry = _descend(media, b"minf", b"stbl", b"stsd")[16:]
    entry_type = entry[4:8]
    data = ftyp + clean
    if handler == b"vide" and entry_type in (b"avc1", b"avc3"):
        width, height = struct.unpack_from(">HH", entry, 32)
        codec = avc_codec(_descend(entry, b"avcC", header=86)[8:], entry_type.decode())
        return InitSegment(data, TrackKind.VIDEO, codec, timescale, width, height, 0, 0)
    if handler == b"soun" and entry_type == b"mp4a":
        channels, sample_rate = struct.unpack_from(">H6xI", entry, 24)
        aac = aac_configuration(_descend(entry, b"esds", header=36)[12:])
        channels, sample_rate = aac.channels or channels, aac.sample_rate or sample_rate >> 16
        return InitSegment(data, TrackKind.AUDIO, aac.codec, timescale, 0, 0, channels, sample_rate)
    raise MediaFormatError(f"neither H.264 nor AAC: {entry_type!r}")


@dataclass(frozen=True, slots=True)
class _Sample:
    duration: int
    size: int
    flags: int
    composition_offset: int


@dataclass(frozen=True, slots=True)
class _Moof:
    decode_time: int
    samples: list[_Sample]
    media: bytes


def merge_fragments(fragments: Sequence[Fragment], sequence_number: int) -> Fragment:
    """Successive fragments of one track as one: a single `moof` numbered `sequence_number` and a single `mdat`.

    Durations, sizes, flags and presentation times of all samples are kept. Where a fragment does not begin exactly where
    the one before it ended, the last sample before the break lasts until it does, since one `moof` has one time line.
    Decode times are moved by the track's `decode_shift`, so that `tfdt` is when the segment's first picture is shown.
    Raises MediaFormatError when there are no fragments, or when they overlap by more than one sample.
    """
    if not fragments:
        raise MediaFormatError("a segment of no fragments")
    moofs = [_parse(fragment.data) for fragment in fragments]
    samples: list[_Sample] = []
    end = moofs[0].decode_time
    for moof in moofs:
        if moof.decode_time != end:
            last = samples[-1]
            stretched = last.duration + moof.decode_time - end
            if not 0 <= stretched < 1 << 32:
                raise MediaFormatError("fragments of one segment overlap or lie too far apart")
            samples[-1] = _Sample(stretched, last.size, last.flags, last.composition_offset)
        samples += moof.samples
        end = moof.decode_time + sum(sample.duration for sample in moof.samples)
    shift = fragments[0].decode_shift
    decode_time = moofs[0].decode_time + shift
    if shift:
        samples = [replace(sample, composition_offset=sample.composition_offset - shift) for sample in samples]
    data = _write(sequence_number, decode_time, samples, b"".join(moof.media for moof in moofs))
    return _describe(data, decode_time, samples)


def _describe(data: bytes, decode_time: int, samples: Sequence[_Sample]) -> Fragment:
    elapsed = 0
    earliest = None
    for sample in samples:
        shown = elapsed + sample.composition_offset
        earliest = shown if earliest is None else min(earliest, shown)
        elapsed += sample.duration
    return Fragment(
        data=data,
        decode_time=decode_time,
        duration=elapsed,
        starts_with_sync=not samples[0].flags & _SAMPLE_IS_NON_SYNC,
        sample_count=len(samples),
        presentation_time=decode_time + (earliest or 0),
    )


def _parse(data: bytes) -> _Moof:
    try:
        return _parse_moof(data)
    except (struct.error, KeyError, IndexError) as error:
        raise MediaFormatError(f"unreadable moof: {error}") from error


def _parse_moof(data: bytes) -> _Moof:
    (moof_size,) = struct.unpack_from(">I", data)
    moof = data[:moof_size]
    runs = [box for kind, box in _children(moof) if kind == b"traf"]
    if len(runs) != 1:
        raise MediaFormatError(f"one traf was expected in a moof, not {len(runs)}")
    traf = runs[0]
    defaults = _Defaults.read(_descend(traf, b"tfhd"))
    tfdt = _descend(traf, b"tfdt")
    (decode_time,) = struct.unpack_from(">Q" if tfdt[8] == 1 else ">I", tfdt, 12)
    samples: list[_Sample] = []
    media = bytearray()
    position = moof_size + 8
    for kind, trun in _children(traf):
        if kind != b"trun":
            continue
        run, offset = _read_run(trun, defaults)
        position = position if offset is None else offset
        size = sum(sample.size for sample in run)
        if position < moof_size or position + size > len(data):
            raise MediaFormatError("a sample lies outside its fragment")
        media += data[position : position + size]
        position += size
        samples += run
    if not samples:
        raise MediaFormatError("a fragment of no samples")
    return _Moof(decode_time, samples, bytes(media))


@dataclass(frozen=True, slots=True)
class _Defaults:
    duration: int | None
    size: int | None
    flags: int | None

    @classmethod
    def read(cls, tfhd: bytes) -> _Defaults:
        (flags,) = struct.unpack_from(">I", tfhd, 8)
        if flags & _TFHD_BASE_DATA_OFFSET or not flags & _TFHD_DEFAULT_BASE_IS_MOOF:
            raise MediaFormatError("offsets must count from the moof (default_base_moof)")
        position = 16 + (4 if flags & _TFHD_SAMPLE_DESCRIPTION else 0)
        values: list[int | None] = []
        for bit in (_TFHD_DEFAULT_DURATION, _TFHD_DEFAULT_SIZE, _TFHD_DEFAULT_FLAGS):
            if flags & bit:
                values.append(struct.unpack_from(">I", tfhd, position)[0])
                position += 4
            else:
                values.append(None)
        return cls(*values)


def _read_run(trun: bytes, defaults: _Defaults) -> tuple[list[_Sample], int | None]:
    """The samples of a `trun` and where their data begins, counted from the moof."""
    version = trun[8]
    flags = struct.unpack_from(">I", trun, 8)[0] & 0xFFFFFF
    (count,) = struct.unpack_from(">I", trun, 12)
    position = 16
    offset: int | None = None
    first_flags: int | None = None
    if flags & _TRUN_DATA_OFFSET:
        (offset,) = struct.unpack_from(">i", trun, position)
        position += 4
    if flags & _TRUN_FIRST_SAMPLE_FLAGS:
        (first_flags,) = struct.unpack_from(">I", trun, position)
        position += 4
    fields = [
        ("I" if flags & _TRUN_DURATION else "", defaults.duration),
        ("I" if flags & _TRUN_SIZE else "", defaults.size),
        ("I" if flags & _TRUN_FLAGS else "", defaults.flags),
        (("i" if version == 1 else "I") if flags & _TRUN_COMPOSITION_OFFSET else "", 0),
    ]
    row = struct.Struct(">" + "".join(code for code, _ in fields))
    if count > MAX_SAMPLES or position + count * row.size > len(trun):
        raise MediaFormatError("a trun claims more samples than it can hold")
    samples = []
    for index in range(count):
        present = iter(row.unpack_from(trun, position + index * row.size))
        values = [next(present) if code else default for code, default in fields]
        if index == 0 and first_flags is not None:
            values[2] = first_flags
        duration, size, sample_flags, composition_offset = values
        if duration is None or size is None or sample_flags is None or composition_offset is None:
            raise MediaFormatError("a sample's duration, size or flags are left to trex")
        samples.append(_Sample(duration, size, sample_flags, composition_offset))
    return samples, offset


def _write(sequence_number: int, decode_time: int, samples: Sequence[_Sample], media: bytes) -> bytes:
    """One fragment in the fewest bytes: what all samples share is said once, in `tfhd`."""
    first, rest = samples[0], samples[1:] or samples[:1]
    common = rest[0]
    same_duration = all(sample.duration == common.duration for sample in samples)
    same_size = all(sample.size == common.size for sample in samples)
    same_flags = all(sample.flags == common.flags for sample in rest)
    offsets = any(sample.composition_offset for sample in samples)

    trun_flags = _TRUN_DATA_OFFSET
    tfhd_flags = _TFHD_DEFAULT_BASE_IS_MOOF
    tfhd = b""
    for same, default_bit, run_bit, value in (
        (same_duration, _TFHD_DEFAULT_DURATION, _TRUN_DURATION, common.duration),
        (same_size, _TFHD_DEFAULT_SIZE, _TRUN_SIZE, common.size),
        (same_flags, _TFHD_DEFAULT_FLAGS, _TRUN_FLAGS, common.flags),
    ):
        if same:
            tfhd_flags |= default_bit
            tfhd += struct.pack(">I", value)
        else:
            trun_flags |= run_bit
    first_flags = b""
    if same_flags and first.flags != common.flags:
        trun_flags |= _TRUN_FIRST_SAMPLE_FLAGS
        first_flags = struct.pack(">I", first.flags)
    if offsets:
        trun_flags |= _TRUN_COMPOSITION_OFFSET

    rows = bytearray()
    for sample in samples:
        if not same_duration:
            rows += struct.pack(">I", sample.duration)
        if not same_size:
            rows += struct.pack(">I", sample.size)
        if not same_flags:
            rows += struct.pack(">I", sample.flags)
        if offsets:
            rows += struct.pack(">i", sample.composition_offset)

    mfhd = _full_box(b"mfhd", 0, 0, struct.pack(">I", sequence_number))
    head = mfhd, _full_box(b"tfhd", 0, tfhd_flags, struct.pack(">I", 1) + tfhd)
    tfdt = _full_box(b"tfdt", 1, 0, struct.pack(">Q", decode_time))
    trun_size = 12 + 4 + 4 + len(first_flags) + len(rows)
    moof_size = 8 + len(head[0]) + 8 + len(head[1]) + len(tfdt) + trun_size
    run = struct.pack(">Ii", len(samples), moof_size + 8) + first_flags + bytes(rows)
    traf = _box(b"traf", head[1] + tfdt + _full_box(b"trun", 1, trun_flags, run))
    return _box(b"moof", head[0] + traf) + _box(b"mdat", media)


def _box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def _full_box(kind: bytes, version: int, flags: int, payload: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags) + payload)


def _children(box: bytes, header: int = 8) -> Iterator[tuple[bytes, bytes]]:
    position = header
    while position + 8 <= len(box):
        size, kind = struct.unpack_from(">I4s", box, position)
        if size < 8 or position + size > len(box):
            raise MediaFormatError(f"box {kind!r} does not fit into its parent")
        yield kind, box[position : position + size]
        position += size


def _descend(box: bytes, *path: bytes, header: int = 8) -> bytes:
    """The first box under `path`; `header` is how many bytes of `box` come before its children. Raises KeyError."""
    for name in path:
        for kind, child in _children(box, header):
            if kind == name:
                box, header = child, 8
                break
        else:
            raise KeyError(f"no {name.decode()}")
    return box


def _without(box: bytes, dropped: frozenset[bytes]) -> bytes:
    """`moov` or `trak` without some of its boxes."""
    kept = b""
    for kind, child in _children(box):
        if kind not in dropped:
            kept += _without(child, dropped) if kind == b"trak" else child
    return _box(box[4:8], kept)

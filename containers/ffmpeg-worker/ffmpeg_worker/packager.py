"""Stage 4 · from FFmpeg's fragments to parts and segments, aligned over all tracks of one epoch.

Pure: bytes and boundaries in, whole segments out. A fragment of video is a part; frames of audio are gathered into parts.
A segment is handed on only when it is whole in every track and starts with a keyframe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from ffmpeg_worker.segment_cutter import MAX_SEGMENT_MS, Boundary
from ffmpeg_worker.transcode_plan import TranscodePlan
from headwater.errors import MediaFormatError, MisalignedTracks
from headwater.media.boxes import Fragment, FragmentReader, InitSegment, merge_fragments
from headwater.media.timeline import PART_SECONDS, Track, TrackKind

_ROUNDING_MS = 1  # FLV counts whole milliseconds
_UNSIGNED_WRAP = 1 << 63  # an encoder's priming may lie before the time 0, which `tfdt` cannot say
_SHORTEST_TAIL_MS = 100


@dataclass(frozen=True, slots=True)
class Part:
    """About half a second of one track, what low-latency playlists will list."""

    fragments: tuple[Fragment, ...]

    @property
    def independent(self) -> bool:
        return self.fragments[0].starts_with_sync


@dataclass(frozen=True, slots=True)
class PackagedTrack:
    """One track's share of a segment. `data` is empty when FFmpeg wrote nothing for it (only at the end of an epoch)."""

    data: bytes
    decode_time: int
    duration: int


@dataclass(frozen=True, slots=True)
class PackagedSegment:
    start_ms: int
    duration_ms: int
    tracks: Mapping[str, PackagedTrack]


@dataclass(slots=True)
class _TrackAssembly:
    """What arrived of one track and is not part of a segment yet."""

    copied: bool
    frame_rate: float
    reader: FragmentReader = field(default_factory=FragmentReader)
    init: InitSegment | None = None
    parts: deque[Part] = field(default_factory=deque)
    gathering: list[Fragment] = field(default_factory=list)
    end_ms: float = float("-inf")

    @property
    def is_audio(self) -> bool:
        return self.init is not None and self.init.kind is TrackKind.AUDIO

    def ms(self, time: int) -> float:
        assert self.init is not None  # noqa: S101 - a fragment never comes before its init
        return time * 1000 / self.init.timescale

    def cut_at(self, boundary: Boundary) -> float:
        """Where the first sample of the segment that begins at `boundary` is decoded in this track, at the earliest."""
        return (boundary.decoded_at if self.copied else boundary.shown_at) - _ROUNDING_MS

    def add(self, fragment: Fragment) -> None:
        self.end_ms = self.ms(fragment.decode_time + fragment.duration)
        if not self.is_audio:
            self.parts.append(Part((fragment,)))
            return
        self.gathering.append(fragment)
        if self.end_ms - self.ms(self.gathering[0].decode_time) >= PART_SECONDS * 1000:
            self._close_part()

    def take_before(self, cut_at: float) -> list[Part]:
        """Remove and return the parts of the segment that ends at `cut_at`. An audio part across it is split."""
        self._close_part()
        taken: list[Part] = []
        while self.parts and self.ms(self.parts[0].fragments[0].decode_time) < cut_at:
            part = self.parts.popleft()
            before = tuple(f for f in part.fragments if self.ms(f.decode_time) < cut_at)
            taken.append(Part(before))
            if len(before) < len(part.fragments):
                self.parts.appendleft(Part(part.fragments[len(before) :]))
        return taken

    def _close_part(self) -> None:
        if self.gathering:
            self.parts.append(Part(tuple(self.gathering)))
            self.gathering = []


class Packager:
    """One epoch's packaging. Every method returns the segments that became whole; all raise MediaFormatError."""

    def __init__(self, plan: TranscodePlan, start: Boundary) -> None:
        self._tracks = {rung.track_id: _TrackAssembly(rung.copy, plan.frame_rate_of(rung)) for rung in plan.rungs}
        if plan.audio is not None:
            self._tracks[plan.audio.track_id] = _TrackAssembly(copied=False, frame_rate=0.0)
        self._reference = next(iter(self._tracks.values()))
        self._start = start
        self._boundaries: deque[Boundary] = deque()
        self._keyframes: list[Boundary] = []
        self._sound_open_since: float = start.shown_at
        self._number = 0

    @property
    def inits(self) -> Mapping[str, bytes]:
        return {track_id: track.init.data for track_id, track in self._tracks.items() if track.init}

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks as viewers are told of them; complete from the first segment on."""
        return tuple(
            Track(
                track_id=track_id,
                kind=track.init.kind,
                codec=track.init.codec,
                timescale=track.init.timescale,
                width=track.init.width,
                height=track.init.height,
                frame_rate=track.frame_rate,
                channels=track.init.channels,
                sample_rate=track.init.sample_rate,
            )
            for track_id, track in self._tracks.items()
            if track.init
        )

    @property
    def open_since(self) -> Boundary:
        """Where the first segment that is not whole yet begins: from here on a successor has to start."""
        return self._start

    @property
    def open_ms(self) -> float:
        """How much of the track that is farthest is waiting for the others, or for the end of its segment."""
        return max(track.end_ms for track in self._tracks.values()) - self._start.decoded_at

    @property
    def reached_ms(self) -> float:
        """How far the slowest track is; minus infinity before its first fragment."""
        return min(track.end_ms for track in self._tracks.values())

    @property
    def sound_open_since_ms(self) -> float:
        """Up to here sound is part of whole segments."""
        return self._sound_open_since

    def feed(self, track_id: str, chunk: bytes) -> list[PackagedSegment]:
        track = self._tracks[track_id]
        for box in track.reader.feed(chunk):
            if isinstance(box, InitSegment):
                track.init = box
            elif box.decode_time < _UNSIGNED_WRAP:
                track.add(box)
                if track is self._reference and box.starts_with_sync:
                    at = round(track.ms(box.decode_time))
                    self._keyframes.append(Boundary(at, at))
        return self._whole_segments()

    def begin_at(self, start: Boundary) -> None:
        """The encoder's first picture is not quite where the source's was."""
        self._start = start

    def take_keyframes(self) -> list[Boundary]:
        """Keyframes that the first rendition had since the last call: for an encoder that places them itself."""
        keyframes, self._keyframes = self._keyframes, []
        return keyframes

    def cut(self, boundary: Boundary) -> list[PackagedSegment]:
        """A segment begins at `boundary`; boundaries come in order."""
        self._boundaries.append(boundary)
        return self._whole_segments()

    def finish(self) -> list[PackagedSegment]:
        """FFmpeg has ended: what is left is the last, shorter segment."""
        segments = self._whole_segments(ended=True)
        end_ms = max(self._reference.end_ms, self._start.decoded_at)
        if end_ms - self._start.decoded_at >= _SHORTEST_TAIL_MS:
            limit = min(round(end_ms), self._start.decoded_at + MAX_SEGMENT_MS) + _ROUNDING_MS
            end = Boundary(limit + self._start.shown_at - self._start.decoded_at, limit)
            segments.append(self._take(end))
        return segments

    def _whole_segments(self, *, ended: bool = False) -> list[PackagedSegment]:
        segments: list[PackagedSegment] = []
        while self._boundaries and (ended or self._is_whole(self._boundaries[0])):
            segments.append(self._take(self._boundaries.popleft()))
        return segments

    def _is_whole(self, end: Boundary) -> bool:
        return all(track.end_ms >= track.cut_at(end) for track in self._tracks.values())

    def _take(self, end: Boundary) -> PackagedSegment:
        self._number += 1
        tracks: dict[str, PackagedTrack] = {}
        for track_id, track in self._tracks.items():
            parts = track.take_before(track.cut_at(end))
            if parts and not track.is_audio and not parts[0].independent:
                raise MisalignedTracks
            share = tracks[track_id] = self._merge(parts)
            if track.is_audio and share.data:
                self._sound_open_since = track.ms(share.decode_time + share.duration)
        if not any(share.data for share in tracks.values()):
            raise MediaFormatError("FFmpeg wrote nothing for a whole segment.")
        segment = PackagedSegment(self._start.shown_at, end.shown_at - self._start.shown_at, tracks)
        self._start = end
        return segment

    def _merge(self, parts: list[Part]) -> PackagedTrack:
        fragments = [fragment for part in parts for fragment in part.fragments]
        if not fragments:
            return PackagedTrack(b"", 0, 0)
        merged = merge_fragments(fragments, self._number)
        return PackagedTrack(merged.data, merged.decode_time, merged.duration)

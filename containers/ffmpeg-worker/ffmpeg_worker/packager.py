"""Stage 4 · from frames to parts and segments, aligned over all tracks of one epoch.

Pure: frames and boundaries in, whole segments out. Frames are gathered into parts of about half a second. A segment is
handed on only when it is whole in every track and starts with a keyframe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from ffmpeg_worker.segment_cutter import MAX_SEGMENT_MS, Boundary
from ffmpeg_worker.track_samples import AudioSamples, TrackSamples, VideoSamples
from ffmpeg_worker.transcode_plan import Keyframes, TranscodePlan
from headwater.errors import MediaFormatError, MisalignedTracks
from headwater.media import fmp4
from headwater.media.flv import Tag
from headwater.media.fmp4 import Sample
from headwater.media.timeline import PART_SECONDS, Track

_ROUNDING_MS = 1  # FLV counts whole milliseconds
_SHORTEST_TAIL_MS = 100


@dataclass(frozen=True, slots=True)
class Part:
    """About half a second of one track, what low-latency playlists will list."""

    samples: tuple[Sample, ...]

    @property
    def independent(self) -> bool:
        return self.samples[0].is_sync


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


@dataclass(frozen=True, slots=True)
class Cut:
    """A segment begins at `boundary`.

    The last picture before it is shown at `last_shown_ms`, where that is known: an encoder that has handed it out has handed
    out the whole segment, a picture's time before the next keyframe comes and proves it.
    """

    boundary: Boundary
    last_shown_ms: int | None = None


@dataclass(slots=True)
class _TrackAssembly:
    """What arrived of one track and is not part of a segment yet."""

    frames: TrackSamples
    copied: bool
    frame_rate: float
    most_bits_per_second: int  # that its encoder may reach; 0 where that is the source's business, and only measured
    parts: deque[Part] = field(default_factory=deque)
    gathering: list[Sample] = field(default_factory=list)

    @property
    def is_audio(self) -> bool:
        return isinstance(self.frames, AudioSamples)

    @property
    def complete_until_ms(self) -> float:
        until = self.frames.complete_until
        return float("-inf") if until is None else self.ms(until)

    def ms(self, time: int) -> float:
        assert self.frames.init is not None  # noqa: S101 - a frame never comes before its configuration
        return time * 1000 / self.frames.init.timescale

    def cut_at(self, boundary: Boundary) -> float:
        """Where the first sample of the segment that begins at `boundary` is decoded in this track, at the earliest."""
        decoded_as_in_source = self.copied and not self.is_audio
        return (boundary.decoded_at if decoded_as_in_source else boundary.shown_at) - _ROUNDING_MS

    def add(self, sample: Sample) -> None:
        if self.gathering and self.ms(sample.decode_time - self.gathering[0].decode_time) >= PART_SECONDS * 1000:
            self._close_part()
        self.gathering.append(sample)

    def take_before(self, cut_at: float) -> list[Part]:
        """Remove and return the parts of the segment that ends at `cut_at`. A part across it is split."""
        self._close_part()
        taken: list[Part] = []
        while self.parts and self.ms(self.parts[0].samples[0].decode_time) < cut_at:
            part = self.parts.popleft()
            before = tuple(sample for sample in part.samples if self.ms(sample.decode_time) < cut_at)
            taken.append(Part(before))
            if len(before) < len(part.samples):
                self.parts.appendleft(Part(part.samples[len(before) :]))
        return taken

    def is_whole(self, cut: Cut) -> bool:
        reached = self.complete_until_ms
        if reached >= self.cut_at(cut.boundary):
            return True
        return cut.last_shown_ms is not None and not (self.copied or self.is_audio) and reached >= cut.last_shown_ms

    def package(self, number: int, boundary: Boundary) -> PackagedTrack:
        """The track's share of segment `number`. Raises MisalignedTracks."""
        parts = self.take_before(self.cut_at(boundary))
        if not parts:
            return PackagedTrack(b"", 0, 0)
        if not parts[0].independent:
            raise MisalignedTracks
        samples = [sample for part in parts for sample in part.samples]
        begin, shift = samples[0].decode_time, self.frames.shift
        end = self._end_after(samples[-1], boundary)
        return PackagedTrack(fmp4.fragment(number, samples, end, shift), begin + shift, end - begin)

    def _end_after(self, last: Sample, boundary: Boundary) -> int:
        if self.parts:
            return self.parts[0].samples[0].decode_time
        assert self.frames.init is not None and self.frames.complete_until is not None  # noqa: S101 - there are samples
        if self.frames.complete_until > last.decode_time:
            return self.frames.complete_until
        return boundary.shown_at * self.frames.init.timescale // 1000  # the next one is to be shown then

    def _close_part(self) -> None:
        if self.gathering:
            self.parts.append(Part(tuple(self.gathering)))
            self.gathering = []


class Packager:
    """One epoch's packaging. Every method returns the segments that became whole; all raise MediaFormatError."""

    def __init__(self, plan: TranscodePlan, start: Boundary) -> None:
        self._tracks = {
            rung.track_id: _TrackAssembly(
                VideoSamples(), rung.copy, plan.frame_rate_of(rung), 0 if rung.copy else rung.max_bits_per_second
            )
            for rung in plan.rungs
        }
        if (audio := plan.audio) is not None:
            self._tracks[audio.track_id] = _TrackAssembly(AudioSamples(), audio.copy, 0.0, audio.bits_per_second)
        self._reference = next(iter(self._tracks.values()))
        self._notes_keyframes = plan.keyframes is Keyframes.FORCED and bool(plan.rungs)
        self._start = start
        self._cuts: deque[Cut] = deque()
        self._keyframes: list[Boundary] = []
        self._sound_open_since: float = start.shown_at
        self._number = 0

    @property
    def inits(self) -> Mapping[str, bytes]:
        return {track_id: track.frames.init.data for track_id, track in self._tracks.items() if track.frames.init}

    @property
    def is_configured(self) -> bool:
        """Whether every track's configuration is known, long before its first segment is whole."""
        return all(track.frames.init for track in self._tracks.values())

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks as viewers are told of them; those that have no configuration yet are left out."""
        return tuple(
            Track(
                track_id=track_id,
                kind=init.kind,
                codec=init.codec,
                timescale=init.timescale,
                width=init.width,
                height=init.height,
                frame_rate=track.frame_rate,
                channels=init.channels,
                sample_rate=init.sample_rate,
                declared_bits_per_second=track.most_bits_per_second,
            )
            for track_id, track in self._tracks.items()
            if (init := track.frames.init)
        )

    @property
    def open_since(self) -> Boundary:
        """Where the first segment that is not whole yet begins: from here on a successor has to start."""
        return self._start

    @property
    def open_ms(self) -> float:
        """How much of the track that is farthest is waiting for the others, or for the end of its segment."""
        return max(track.complete_until_ms for track in self._tracks.values()) - self._start.decoded_at

    @property
    def reached_ms(self) -> float:
        """How far the slowest track is; minus infinity before its first frame."""
        return min(track.complete_until_ms for track in self._tracks.values())

    @property
    def sound_open_since_ms(self) -> float:
        """Up to here sound is part of whole segments."""
        return self._sound_open_since

    def feed(self, track_id: str, tag: Tag) -> list[PackagedSegment]:
        """A track's configuration, and then its frames, in order of decoding."""
        track = self._tracks[track_id]
        if tag.is_sequence_header:
            track.frames.configure(tag)
        elif tag.is_media:
            if track.frames.init is None:
                raise MediaFormatError("a frame without a configuration before it")
            sample = track.frames.sample(tag)
            if sample.decode_time >= 0:  # an encoder's priming may lie before the time 0, which `tfdt` cannot say
                track.add(sample)
                if self._notes_keyframes and track is self._reference and sample.is_sync:
                    self._keyframes.append(Boundary(tag.timestamp, tag.timestamp))
        return self._whole_segments()

    def begin_at(self, start: Boundary) -> None:
        """The encoder's first picture is not quite where the source's was."""
        self._start = start

    def take_keyframes(self) -> list[Boundary]:
        """Keyframes that the first rendition had since the last call: for an encoder that places them itself."""
        keyframes, self._keyframes = self._keyframes, []
        return keyframes

    @property
    def is_cutting(self) -> bool:
        """Whether one segment's end is known, but not yet here. More are waited for only while catching up."""
        return len(self._cuts) == 1

    def cut(self, cut: Cut) -> list[PackagedSegment]:
        """Boundaries come in order."""
        self._cuts.append(cut)
        return self._whole_segments()

    def finish(self) -> list[PackagedSegment]:
        """FFmpeg has ended: what is left is the last, shorter segment."""
        segments = self._whole_segments(ended=True)
        for track in self._tracks.values():
            track.frames.end()
        end_ms = max(self._reference.complete_until_ms, self._start.decoded_at)
        if end_ms - self._start.decoded_at >= _SHORTEST_TAIL_MS:
            limit = min(round(end_ms), self._start.decoded_at + MAX_SEGMENT_MS) + _ROUNDING_MS
            end = Boundary(limit + self._start.shown_at - self._start.decoded_at, limit)
            segments.append(self._take(end))
        return segments

    def _whole_segments(self, *, ended: bool = False) -> list[PackagedSegment]:
        segments: list[PackagedSegment] = []
        while self._cuts and (ended or all(track.is_whole(self._cuts[0]) for track in self._tracks.values())):
            segments.append(self._take(self._cuts.popleft().boundary))
        return segments

    def _take(self, end: Boundary) -> PackagedSegment:
        self._number += 1
        tracks: dict[str, PackagedTrack] = {}
        for track_id, track in self._tracks.items():
            share = tracks[track_id] = track.package(self._number, end)
            if track.is_audio and share.data:
                self._sound_open_since = track.ms(share.decode_time + share.duration)
        if not any(share.data for share in tracks.values()):
            raise MediaFormatError("FFmpeg wrote nothing for a whole segment.")
        segment = PackagedSegment(self._start.shown_at, end.shown_at - self._start.shown_at, tracks)
        self._start = end
        return segment

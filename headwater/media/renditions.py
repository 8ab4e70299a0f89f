"""Stages 4–6 · what viewers are offered: which track of an epoch serves a rendition, and how many bits it takes, measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from headwater.media.object_keys import AUDIO_TRACK
from headwater.media.timeline import (
    TARGET_DURATION_SECONDS,
    Epoch,
    Segment,
    Timeline,
    Track,
    TrackKind,
    TrackSegment,
)


@dataclass(frozen=True, slots=True)
class Bitrate:
    """Bits per second. `peak`: of any run of segments of half to one and a half target durations (RFC 8216, 4.3.4.2)."""

    average: int
    peak: int


def rendition_ids(epochs: Iterable[Epoch]) -> tuple[str, ...]:
    """Every track of `epochs`, highest picture first and audio last: one media playlist each."""
    tracks = {track.track_id: track for epoch in epochs for track in epoch.tracks}
    return tuple(sorted(tracks, key=lambda track_id: (track_id == AUDIO_TRACK, -_short_side(track_id), track_id)))


def played_epochs(timeline: Timeline) -> tuple[Epoch, ...]:
    """The epochs of the timeline's segments, in order."""
    numbers = {segment.epoch for segment in timeline.segments}
    return tuple(epoch for epoch in timeline.epochs if epoch.number in numbers)


def serving_track(epoch: Epoch, rendition_id: str) -> Track | None:
    """The track that is `rendition_id` in `epoch`, or the one nearest to it when the source changed and it has none.

    Of two equally near, the smaller one: it plays wherever the wanted one would. None when there is no track of that kind.
    """
    exact = epoch.track(rendition_id)
    if exact is not None or rendition_id == AUDIO_TRACK:
        return exact
    wanted = _short_side(rendition_id)
    pictures = [track for track in epoch.tracks if track.kind is TrackKind.VIDEO]
    return min(
        pictures,
        key=lambda track: (abs(_short_side(track.track_id) - wanted), _short_side(track.track_id)),
        default=None,
    )


def serving_tracks(timeline: Timeline, rendition_id: str) -> Mapping[int, Track | None]:
    """For each epoch number, the track that serves `rendition_id` there."""
    return {epoch.number: serving_track(epoch, rendition_id) for epoch in timeline.epochs}


def measure_bitrate(timeline: Timeline, rendition_id: str) -> Bitrate:
    """What the stored segments of a rendition take. Zero when none is stored."""
    serving = serving_tracks(timeline, rendition_id)
    bits = seconds = 0.0
    peak = 0.0
    for run in _stored_runs(timeline.segments, serving):
        bits += sum(segment_bits for segment_bits, _ in run)
        seconds += sum(segment_seconds for _, segment_seconds in run)
        peak = max(peak, _peak(run))
    if not seconds:
        return Bitrate(0, 0)
    average = bits / seconds
    return Bitrate(round(average), round(max(peak, average)))


def duration_seconds(timeline: Timeline) -> float:
    """How long the broadcast plays: the sum of its segments, missing ones included, without the interruptions between."""
    epochs = {epoch.number: epoch for epoch in timeline.epochs}
    seconds = Fraction(0)
    for segment in timeline.segments:
        reference = reference_part(segment, epochs[segment.epoch])
        if reference is not None:
            track, part = reference
            seconds += Fraction(part.duration, track.timescale)
    return float(seconds)


def reference_part(segment: Segment, epoch: Epoch) -> tuple[Track, TrackSegment] | None:
    """The track by which a segment's length is told: the first one listed, which is the top picture when there is one."""
    for track in epoch.tracks:
        part = segment.tracks.get(track.track_id)
        if part is not None:
            return track, part
    return None


def _stored_runs(
    segments: Sequence[Segment], serving: Mapping[int, Track | None]
) -> Iterator[list[tuple[float, float]]]:
    """(bits, seconds) of stored segments, split where one is missing or another epoch begins."""
    run: list[tuple[float, float]] = []
    epoch = 0
    for segment in segments:
        track = serving[segment.epoch]
        stored = stored_part(segment, track)
        if run and (stored is None or segment.epoch != epoch):
            yield run
            run = []
        if stored is not None and track is not None and stored.duration > 0:
            run.append((stored.bytes * 8.0, stored.duration / track.timescale))
        epoch = segment.epoch
    if run:
        yield run


def stored_part(segment: Segment, track: Track | None) -> TrackSegment | None:
    """A track's share of a segment, or None when it is not stored."""
    part = segment.tracks.get(track.track_id) if track is not None else None
    return None if part is None or part.missing else part


def _peak(run: Sequence[tuple[float, float]]) -> float:
    shortest, longest = 0.5 * TARGET_DURATION_SECONDS, 1.5 * TARGET_DURATION_SECONDS
    peak = 0.0
    for first in range(len(run)):
        bits = seconds = 0.0
        for segment_bits, segment_seconds in run[first : first + 8]:
            bits += segment_bits
            seconds += segment_seconds
            if seconds > longest:
                break
            if seconds >= shortest:
                peak = max(peak, bits / seconds)
    return peak


def _short_side(track_id: str) -> int:
    """A rung is named by its picture's short side (`720p`)."""
    digits = track_id.removesuffix("p")
    return int(digits) if digits.isdigit() else 0

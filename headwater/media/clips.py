"""Stages 5–7 · a clip: consecutive segments of a broadcast, named by manifests of their own. Nothing is encoded or copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from headwater.media import dash, hls, object_keys
from headwater.media.renditions import reference_part, rendition_ids
from headwater.media.timeline import Segment, Timeline

TO_BROADCAST = "../../"  # from a clip's folder to the one that the segments' names begin in


@dataclass(frozen=True, slots=True)
class Cut:
    """`start_seconds` from the beginning of the recording. Whole segments: up to one more at either end than was asked for."""

    timeline: Timeline
    start_seconds: float
    duration_seconds: float


def cut(timeline: Timeline, start_seconds: float, duration_seconds: float) -> Cut | None:
    """The segments that hold the wanted time; shorter where the broadcast ends. None when nothing is there."""
    wanted_end = start_seconds + duration_seconds
    begins = Fraction(0)
    chosen: list[Segment] = []
    first = length = Fraction(0)
    for segment, seconds in _lengths(timeline):
        ends = begins + seconds
        if ends > start_seconds and begins < wanted_end:
            if not chosen:
                first = begins
            chosen.append(segment)
            length += seconds
        begins = ends
    if not chosen:
        return None
    numbers = {segment.epoch for segment in chosen}
    epochs = tuple(epoch for epoch in timeline.epochs if epoch.number in numbers)
    part = Timeline(timeline.stream_id, timeline.broadcast_id, epochs, tuple(chosen))
    return Cut(part, float(first), float(length))


def seconds_at(timeline: Timeline, unix_ms: int) -> float:
    """How far into the recording the moment `unix_ms` is; what was not on the air counts as the end of what was before."""
    epochs = {epoch.number: epoch for epoch in timeline.epochs}
    elapsed = Fraction(0)
    found = Fraction(0)
    for segment, seconds in _lengths(timeline):
        epoch = epochs[segment.epoch]
        into = Fraction(unix_ms - (epoch.wall_start_ms + segment.start_ms - epoch.media_start_ms), 1000)
        if into < 0:
            break
        found = elapsed + min(into, seconds)
        elapsed += seconds
    return float(found)


def manifests(part: Timeline, clip_id: str, now_ms: int) -> Mapping[str, tuple[str, str]]:
    """Every document of a clip by its object key, with its content type; those that name others come last."""

    def key(name: str) -> str:
        return object_keys.clip(part.stream_id, part.broadcast_id, clip_id, name)

    documents = {
        key(f"{rendition_id}.m3u8"): (
            hls.media_playlist(part, rendition_id, complete=True, prefix=TO_BROADCAST),
            object_keys.HLS_TYPE,
        )
        for rendition_id in rendition_ids(part.epochs)
    }
    documents[key("index.m3u8")] = (hls.multivariant_playlist(part, complete=True), object_keys.HLS_TYPE)
    manifest = dash.manifest(part, complete=True, prefix=TO_BROADCAST, now_ms=now_ms)
    documents[key("index.mpd")] = (manifest, object_keys.DASH_TYPE)
    return documents


def _lengths(timeline: Timeline) -> list[tuple[Segment, Fraction]]:
    epochs = {epoch.number: epoch for epoch in timeline.epochs}
    lengths = []
    for segment in timeline.segments:
        reference = reference_part(segment, epochs[segment.epoch])
        if reference is not None:
            track, part = reference
            lengths.append((segment, Fraction(part.duration, track.timescale)))
    return lengths

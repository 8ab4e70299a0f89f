"""Stages 5–7 · a clip: consecutive segments of a broadcast, named by manifests of their own. Nothing is encoded or copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from headwater.domain.ids import BroadcastId, StreamId
from headwater.media import dash, hls, object_keys
from headwater.media.renditions import reference_part, rendition_ids
from headwater.media.timeline import Epoch, Segment, Timeline

TO_BROADCAST = "../../"  # from a clip's folder to the one that the segments' names begin in


class RecordedSegments(Protocol):
    """A broadcast's segments by their sequence numbers, read where they are needed: of half a day there are 20,000."""

    def newest(self) -> int | None:
        """The last one's number; None when there is none."""

    def at(self, sequence: int) -> Segment: ...
    def onwards(self, sequence: int) -> Iterator[Segment]: ...


@dataclass(frozen=True, slots=True)
class Cut:
    """`start_seconds` from the beginning of the recording. Whole segments: up to one more at either end than was asked for."""

    timeline: Timeline
    start_seconds: float
    duration_seconds: float


def cut(
    stream_id: StreamId,
    broadcast_id: BroadcastId,
    epochs: Sequence[Epoch],
    segments: RecordedSegments,
    start_seconds: float,
    duration_seconds: float,
) -> Cut | None:
    """The segments that hold the wanted time; shorter where the broadcast ends. None when nothing is there."""
    by_number = {epoch.number: epoch for epoch in epochs}
    newest = segments.newest()
    if newest is None:
        return None
    wanted_from, wanted_until = start_seconds * 1000, (start_seconds + duration_seconds) * 1000
    chosen: list[Segment] = []
    length = Fraction(0)
    for segment in segments.onwards(_sequence_at(epochs, segments, newest, wanted_from)):
        epoch = by_number.get(segment.epoch)
        if epoch is None:  # it has begun since `epochs` were read
            break
        begins_ms = _begins_ms(epoch, segment)
        if begins_ms >= wanted_until:
            break
        seconds = _seconds(epoch, segment)
        if begins_ms + seconds * 1000 > wanted_from:
            chosen.append(segment)
            length += seconds
    if not chosen:
        return None
    numbers = {segment.epoch for segment in chosen}
    part = Timeline(stream_id, broadcast_id, tuple(each for each in epochs if each.number in numbers), tuple(chosen))
    return Cut(part, _begins_ms(by_number[chosen[0].epoch], chosen[0]) / 1000, float(length))


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


def _sequence_at(epochs: Sequence[Epoch], segments: RecordedSegments, newest: int, wanted_ms: float) -> int:
    """The last segment that begins at `wanted_ms` of the recording or before; the first one when there is none."""
    within = max(
        (epoch for epoch in epochs if epoch.begins_ms <= wanted_ms), key=lambda epoch: epoch.number, default=None
    )
    if within is None:
        return 0
    later = [epoch.first_sequence for epoch in epochs if epoch.number > within.number]
    low, high = within.first_sequence, min(later, default=newest + 1) - 1
    while low < high:
        middle = (low + high + 1) // 2
        segment = segments.at(middle)
        if segment.epoch == within.number and _begins_ms(within, segment) <= wanted_ms:
            low = middle
        else:
            high = middle - 1
    return low


def _begins_ms(epoch: Epoch, segment: Segment) -> int:
    """How far into the recording: within an epoch, segments follow each other without a hole."""
    return epoch.begins_ms + segment.start_ms - epoch.media_start_ms


def _seconds(epoch: Epoch, segment: Segment) -> Fraction:
    reference = reference_part(segment, epoch)
    return Fraction(0) if reference is None else Fraction(reference[1].duration, reference[0].timescale)

"""Stage 4b · turns an ended broadcast into its recording, without touching a byte of media.

The segments that were live are named by complete manifests; media that no manifest names (a worker was lost between the
upload and the timeline, or an upload came too late) are removed. Every step can be repeated: the lease is closed first, so the
timeline no longer moves and the manifests come out the same; whatever is live by now is another broadcast's, and stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Protocol

from headwater.contracts import FinaliseRecording
from headwater.domain.broadcast import Broadcast, StreamControl
from headwater.domain.broadcast_events import Event, Finalised
from headwater.domain.decision import Decision
from headwater.domain.ids import BroadcastId, StreamId
from headwater.domain.lease import Lease
from headwater.domain.stream_rules import WITHHELD_LIMIT
from headwater.errors import DependencyUnavailable
from headwater.media import dash, hls, object_keys
from headwater.media.renditions import duration_seconds, played_epochs, rendition_ids, stored_part
from headwater.media.timeline import Timeline
from headwater.observability import count, logger


class Streams(Protocol):
    def read(self, stream_id: StreamId) -> StreamControl | None: ...
    def apply(self, stream_id: StreamId, event: Event) -> Decision: ...


class Leases(Protocol):
    def close_whatever(self, broadcast_id: BroadcastId) -> Lease: ...


class Timelines(Protocol):
    def load(self, stream_id: StreamId, broadcast_id: BroadcastId) -> Timeline: ...
    def delete(self, broadcast_id: BroadcastId) -> None: ...


class Version(Protocol):
    @property
    def etag(self) -> str: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


class Objects(Protocol):
    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> None: ...
    def head(self, key: str) -> Version | None: ...
    def delete_if_match(self, key: str, etag: str) -> bool: ...
    def list(self, prefix: str) -> Iterator[str]: ...
    def delete_many(self, keys: Iterable[str]) -> int: ...


class Result(StrEnum):
    RECORDED = "recorded"
    DISCARDED = "discarded"  # the stream keeps no recordings, or no segment was ever stored
    NOTHING_TO_DO = "nothing_to_do"  # unknown, still live, or settled before


def finalise_recording(
    job: FinaliseRecording, *, streams: Streams, leases: Leases, timelines: Timelines, objects: Objects, now_ms: int
) -> Result:
    """Make the recording that `job` names, once. `now_ms` is Unix time.

    Raises DependencyUnavailable or StateContended, after which the same message can be tried again.
    """
    control = streams.read(job.stream_id)
    broadcast = control.find(job.broadcast_id) if control is not None else None
    if control is None or broadcast is None or broadcast.is_active or broadcast.is_settled:
        return Result.NOTHING_TO_DO

    leases.close_whatever(job.broadcast_id)
    timeline = timelines.load(job.stream_id, job.broadcast_id)
    holds_media = _holds_media(timeline)
    keep = holds_media and _is_wanted(control, broadcast)
    if keep:
        _write_manifests(timeline, objects, now_ms)
    _take_off_air(job.stream_id, job.broadcast_id, objects)
    if keep:
        finalised = Finalised(job.broadcast_id, duration_seconds(timeline), rendition_ids(played_epochs(timeline)))
    else:
        objects.delete_many(objects.list(object_keys.broadcast_prefix(job.stream_id, job.broadcast_id)))
        timelines.delete(job.broadcast_id)
        finalised = Finalised(job.broadcast_id, 0.0, discarded=holds_media)
    streams.apply(job.stream_id, finalised)
    if keep:
        _remove_strays(timeline, objects)
    return Result.RECORDED if keep else Result.DISCARDED


def _is_wanted(control: StreamControl, broadcast: Broadcast) -> bool:
    """Previews that were never taken public are kept for their owner, but only so many."""
    if control.deleted or not control.records(broadcast):
        return False
    return broadcast.broadcast_id not in control.withheld[WITHHELD_LIMIT:]


def _holds_media(timeline: Timeline) -> bool:
    epochs = {epoch.number: epoch for epoch in timeline.epochs}
    return any(
        stored_part(segment, track) is not None
        for segment in timeline.segments
        for track in epochs[segment.epoch].tracks
    )


def _write_manifests(timeline: Timeline, objects: Objects, now_ms: int) -> None:
    """Media playlists first, so that what the multivariant playlist names is there."""
    stream_id, broadcast_id = timeline.stream_id, timeline.broadcast_id
    documents = {
        object_keys.media_playlist(stream_id, broadcast_id, rendition_id): (
            hls.media_playlist(timeline, rendition_id, complete=True),
            object_keys.HLS_TYPE,
        )
        for rendition_id in rendition_ids(timeline.epochs)
    }
    documents[object_keys.recording_hls(stream_id, broadcast_id)] = (
        hls.multivariant_playlist(timeline, complete=True),
        object_keys.HLS_TYPE,
    )
    documents[object_keys.recording_dash(stream_id, broadcast_id)] = (
        dash.manifest(timeline, complete=True, now_ms=now_ms),
        object_keys.DASH_TYPE,
    )
    for key, (text, content_type) in documents.items():
        objects.put(key, text.encode(), content_type, object_keys.RECORDING_MANIFEST)


def _remove_strays(timeline: Timeline, objects: Objects) -> None:
    """Nobody waits for this, and the recording is settled: what cannot be removed now costs its storage, and no more."""
    stream_id, broadcast_id = timeline.stream_id, timeline.broadcast_id
    epochs = {epoch.number: epoch for epoch in timeline.epochs}
    named = {
        object_keys.init_segment(stream_id, broadcast_id, track.track_id, epoch.number)
        for epoch in timeline.epochs
        for track in epoch.tracks
    }
    named.update(
        object_keys.media_segment(stream_id, broadcast_id, track.track_id, segment.epoch, segment.start_ms)
        for segment in timeline.segments
        for track in epochs[segment.epoch].tracks
        if stored_part(segment, track) is not None
    )
    stored = objects.list(object_keys.broadcast_prefix(stream_id, broadcast_id))
    try:
        removed = objects.delete_many(key for key in stored if object_keys.is_media(key) and key not in named)
    except DependencyUnavailable:
        logger().warning("strays left", extra={"broadcast_id": broadcast_id})
        count("StraysLeft")
    else:
        count("StraysRemoved", removed)


def _take_off_air(stream_id: StreamId, broadcast_id: BroadcastId, objects: Objects) -> None:
    """Remove the live manifests, unless a newer broadcast has taken them over (even between our look and our removal)."""
    for key in (object_keys.live_hls(stream_id), object_keys.live_dash(stream_id)):
        version = objects.head(key)
        if version is not None and version.metadata.get(object_keys.BROADCAST_METADATA) == broadcast_id:
            objects.delete_if_match(key, version.etag)

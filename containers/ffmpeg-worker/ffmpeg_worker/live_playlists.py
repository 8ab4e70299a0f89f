"""Stages 4–6 · writes the live playlists and the manifest, each on condition of the version written before.

The condition fails when another worker, or the broadcast after this one, has written meanwhile: then this worker must
prove that it still holds the lease, and leaves alone what belongs to a later broadcast.

What changes with every segment carries an `Expires` that lies before the next segment can come. So a cache answers most
requests, and hands out an outdated one to nobody; `max-age` would count from when the cache happened to ask.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ffmpeg_worker.segment_cutter import MIN_SEGMENT_MS
from headwater.errors import DependencyUnavailable, ObjectChanged
from headwater.media import dash, hls, object_keys
from headwater.media.renditions import measure_bitrate, rendition_ids
from headwater.media.timeline import Timeline

PLAYLIST_SECONDS = 3.0  # the next segment brings a newer one anyway
_ATTEMPTS = 4
_SHORTEST_SEGMENT = timedelta(milliseconds=MIN_SEGMENT_MS)
WRITES_AT_ONCE = 6


class StoredVersion(Protocol):
    @property
    def etag(self) -> str: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


class PlaylistStore(Protocol):
    def head(self, key: str, *, deadline_seconds: float = ...) -> StoredVersion | None: ...
    def put_if_match(
        self,
        key: str,
        body: bytes,
        content_type: str,
        cache_control: str,
        etag: str | None,
        *,
        metadata: Mapping[str, str] | None = None,
        expires_at: datetime | None = None,
        deadline_seconds: float = ...,
    ) -> str: ...


class LeaseProof(Protocol):
    def confirm(self) -> None: ...
    def check(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Document:
    key: str
    body: str
    content_type: str
    cache_control: str = object_keys.LIVE_MANIFEST
    expires_at: datetime | None = None


class LivePlaylists:
    def __init__(self, store: PlaylistStore, lease: LeaseProof) -> None:
        self._store = store
        self._lease = lease
        self._pool = ThreadPoolExecutor(WRITES_AT_ONCE, thread_name_prefix="playlist")
        self._etags: dict[str, str | None] = {}
        self._superseded: set[str] = set()
        self._announced: Mapping[str, int] = {}  # peak bits per second, by rendition
        self._written_at = datetime.fromtimestamp(0, UTC)
        self._current_until = self._written_at

    def look_around(self, timeline: Timeline) -> None:
        """See now what others have left where we shall write, for at the first segment viewers wait. Raises LeaseLost.

        It makes the store's client, too, and opens connections to it.
        """
        stream, broadcast = timeline.stream_id, timeline.broadcast_id
        keys = [object_keys.live_hls(stream), object_keys.live_dash(stream)]
        keys += [object_keys.media_playlist(stream, broadcast, each) for each in rendition_ids(timeline.epochs)]
        self._lease.check()
        with suppress(DependencyUnavailable):  # then it is found out by writing
            list(self._pool.map(lambda key: self._look(key, broadcast), keys))

    def write_media(self, timeline: Timeline) -> bool:
        """Every rendition's playlist; False when some could not be written. Raises LeaseLost."""
        stream, broadcast = timeline.stream_id, timeline.broadcast_id
        expires_at = self._next_change()
        return self._write_all(
            timeline,
            (
                _Document(
                    object_keys.media_playlist(stream, broadcast, track_id),
                    hls.media_playlist(timeline, track_id, complete=False),
                    object_keys.HLS_TYPE,
                    expires_at=expires_at,
                )
                for track_id in rendition_ids(timeline.epochs)
            ),
        )

    def write_entrances(self, timeline: Timeline, *, multivariant: bool) -> bool:
        """What players are given: the manifest and, when asked for, the multivariant playlist. Raises LeaseLost."""
        written = self._write_all(timeline, self._entrances(timeline, multivariant=multivariant))
        if multivariant and written:
            self._announced = hls.announced_peaks(timeline)
        return written

    def _entrances(self, timeline: Timeline, *, multivariant: bool) -> Iterator[_Document]:
        stream, prefix = timeline.stream_id, f"{timeline.broadcast_id}/"
        if multivariant:
            playlist = hls.multivariant_playlist(timeline, prefix=prefix)
            yield _Document(object_keys.live_hls(stream), playlist, object_keys.HLS_TYPE, object_keys.LIVE_ENTRANCE)
        now_ms = time.time_ns() // 1_000_000
        manifest = dash.manifest(timeline, complete=False, prefix=prefix, now_ms=now_ms)
        yield _Document(object_keys.live_dash(stream), manifest, object_keys.DASH_TYPE, expires_at=self._current_until)

    def understates(self, timeline: Timeline) -> bool:
        """Whether a rendition takes more by now than the multivariant playlist says, as it was written last."""
        return any(measure_bitrate(timeline, track_id).peak > peak for track_id, peak in self._announced.items())

    def _next_change(self) -> datetime:
        """When a playlist written now can be outdated, at the earliest: after the shortest segment, or any moment."""
        now, before = datetime.now(UTC), self._written_at
        catching_up = now - before < _SHORTEST_SEGMENT / 2
        self._written_at = now
        self._current_until = now if catching_up else now + _SHORTEST_SEGMENT
        return self._current_until

    def _write_all(self, timeline: Timeline, documents: Iterable[_Document]) -> bool:
        """Each is on its way while the next one is made."""
        self._lease.check()
        write: Callable[[_Document], bool] = lambda document: self._write(timeline, document)  # noqa: E731
        return all(list(self._pool.map(write, documents)))

    def _write(self, timeline: Timeline, document: _Document) -> bool:
        key, own_id = document.key, timeline.broadcast_id
        if key in self._superseded:
            return True
        for _ in range(_ATTEMPTS):
            try:
                self._lease.check()
                self._etags[key] = self._store.put_if_match(
                    key,
                    document.body.encode(),
                    document.content_type,
                    document.cache_control,
                    self._etags.get(key),
                    metadata={object_keys.BROADCAST_METADATA: own_id},
                    expires_at=document.expires_at,
                    deadline_seconds=PLAYLIST_SECONDS,
                )
            except DependencyUnavailable:
                return False
            except ObjectChanged:
                if not self._may_replace(key, own_id):
                    return key in self._superseded
            else:
                return True
        return False

    def _may_replace(self, key: str, own_id: str) -> bool:
        """Look who wrote it. Raises LeaseLost when that was a worker that has taken our place."""
        try:
            self._lease.confirm()
            self._look(key, own_id)
        except DependencyUnavailable:
            return False
        return key not in self._superseded

    def _look(self, key: str, own_id: str) -> None:
        """Note which version is there, and whether it is ours to replace. Raises DependencyUnavailable."""
        current = self._store.head(key, deadline_seconds=PLAYLIST_SECONDS)
        # Ids are ordered by time.
        if current is not None and current.metadata.get(object_keys.BROADCAST_METADATA, "") > own_id:
            self._superseded.add(key)
        else:
            self._etags[key] = current.etag if current else None

"""Stage 5 · what a deleted stream or recording leaves behind: every object, every row of its timeline, and of a stream what
its chat room must not forget, removed.

Every step can be taken again, and what is gone already is no error: a run that is cut off goes on when its message comes
again. Nothing is removed but what lies under the prefix of a stream that the hot state says is deleted, or of one broadcast
that is over.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from headwater.contracts import StreamChanged
from headwater.domain.broadcast import StreamControl, StreamEventName
from headwater.domain.ids import BroadcastId, StreamId, is_id
from headwater.errors import StateContended
from headwater.media import object_keys
from headwater.observability import count, logger

BATCH = 1000


class Controls(Protocol):
    def load(self, stream_id: StreamId) -> StreamControl | None: ...
    def remove(self, control: StreamControl) -> bool: ...


class Timelines(Protocol):
    def delete(self, broadcast_id: BroadcastId) -> None: ...


class Objects(Protocol):
    def list(self, prefix: str) -> Iterator[str]: ...
    def delete_many(self, keys: Iterable[str]) -> int: ...


class Rooms(Protocol):
    def forget(self, stream_id: StreamId) -> None: ...


class Unfinished(StateContended):
    """There is more to do than time, or somebody still writes; the message has to come again."""


class Purge:
    """`has_time` says whether a run may take on another batch."""

    def __init__(self, controls: Controls, timelines: Timelines, objects: Objects, rooms: Rooms) -> None:
        self._controls = controls
        self._timelines = timelines
        self._objects = objects
        self._rooms = rooms

    def __call__(self, changed: StreamChanged, has_time: Callable[[], bool]) -> None:
        """Raises Unfinished or DependencyUnavailable; then call it again."""
        control = self._controls.load(changed.stream_id)
        if control is None or not is_id(changed.stream_id):
            return  # purged before
        if changed.name is StreamEventName.DELETED and control.deleted:
            self._purge_stream(control, has_time)
        elif changed.name is StreamEventName.RECORDING_DELETED and changed.broadcast_id is not None:
            broadcast = control.find(changed.broadcast_id)
            if broadcast is None or broadcast.is_settled:  # the rule that told of it has seen to that
                self._purge_broadcast(control.stream_id, changed.broadcast_id, has_time)

    def _purge_stream(self, control: StreamControl, has_time: Callable[[], bool]) -> None:
        if control.needs_attention:
            raise Unfinished  # the worker of its last broadcast may still write; the finaliser comes first
        prefix = object_keys.stream_prefix(control.stream_id)
        for keys in _batches(self._objects.list(prefix)):
            for broadcast_id in dict.fromkeys(filter(is_id, (key.split("/")[1] for key in keys))):
                self._timelines.delete(BroadcastId(broadcast_id))
            self._remove(keys, has_time)
        for keys in _batches(self._objects.list(object_keys.emote_prefix(control.stream_id))):
            self._remove(keys, has_time)
        self._rooms.forget(control.stream_id)
        if not self._controls.remove(control):
            raise Unfinished
        logger().info("stream purged", extra={"stream_id": control.stream_id})

    def _purge_broadcast(self, stream_id: StreamId, broadcast_id: BroadcastId, has_time: Callable[[], bool]) -> None:
        self._timelines.delete(broadcast_id)
        for keys in _batches(self._objects.list(object_keys.broadcast_prefix(stream_id, broadcast_id))):
            self._remove(keys, has_time)
        logger().info("recording purged", extra={"stream_id": stream_id, "broadcast_id": broadcast_id})

    def _remove(self, keys: list[str], has_time: Callable[[], bool]) -> None:
        if not has_time():
            raise Unfinished
        count("ObjectsPurged", self._objects.delete_many(keys))


def _batches(keys: Iterator[str]) -> Iterator[list[str]]:
    return iter(lambda: list(itertools.islice(keys, BATCH)), [])

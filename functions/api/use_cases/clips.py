"""Stage 7 · clips: made by whoever may watch, of what is recorded, at once: only manifests are written.

A clip's manifests lie under its broadcast's prefix and name its segments. So who may watch the broadcast may watch its clips,
and when the recording is deleted its clips are gone, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from functions.api.use_cases.streams import StreamStore, visible_stream
from headwater.broadcasts import unix_ms
from headwater.domain.accounts import Role
from headwater.domain.clips import LONGEST_SECONDS, MOST_OF_USER, THUMBNAIL_SECONDS, Clip, ClipId
from headwater.domain.ids import BroadcastId, StreamId, UserId, new_id
from headwater.domain.streams import PastBroadcast, Stream
from headwater.errors import FieldError, Forbidden, InvalidInput, LimitReached, NotFound, NotRecorded
from headwater.media import object_keys
from headwater.media.clips import RecordedSegments, cut, manifests
from headwater.media.moments import seconds_at
from headwater.media.timeline import Epoch

_SITE_MODERATORS = frozenset({Role.MODERATOR, Role.ADMIN})


class BroadcastStore(Protocol):
    def visible(self, broadcast_id: BroadcastId, viewer: UserId | None) -> PastBroadcast | None: ...
    def of_stream(
        self, stream_id: StreamId, *, for_owner: bool, before: BroadcastId | None, limit: int
    ) -> Sequence[PastBroadcast]: ...


class ClipStore(Protocol):
    def add(
        self,
        clip_id: ClipId,
        broadcast_id: BroadcastId,
        maker_id: UserId,
        title: str,
        start_seconds: float,
        duration_seconds: float,
        picture: int | None,
    ) -> None: ...
    def by_id(self, clip_id: ClipId) -> Clip | None: ...
    def count_of(self, stream_id: StreamId, maker_id: UserId) -> int: ...
    def remove(self, clip_id: ClipId) -> None: ...


class ModeratorStore(Protocol):
    def has(self, stream_id: StreamId, user_id: UserId) -> bool: ...


class Work(Protocol):
    @property
    def streams(self) -> StreamStore: ...
    @property
    def broadcasts(self) -> BroadcastStore: ...
    @property
    def clips(self) -> ClipStore: ...
    @property
    def moderators(self) -> ModeratorStore: ...


class Timelines(Protocol):
    def epochs(self, broadcast_id: BroadcastId) -> Sequence[Epoch]: ...
    def segments(self, broadcast_id: BroadcastId) -> RecordedSegments: ...


class Objects(Protocol):
    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> None: ...
    def list(self, prefix: str) -> Iterator[str]: ...
    def delete_many(self, keys: Iterable[str]) -> int: ...


@dataclass(frozen=True, slots=True)
class Wish:
    """`start` in seconds from the beginning of the recording, or a moment; `broadcast_id` None for the newest."""

    broadcast_id: BroadcastId | None
    start: float | datetime
    duration_seconds: float
    title: str


def make_clip(
    work: Work, timelines: Timelines, objects: Objects, stream_id: StreamId, maker: UserId, wish: Wish
) -> Clip:
    """Raises NotFound, NotRecorded, LimitReached, and InvalidInput when nothing was on the air at that time."""
    stream = visible_stream(work.streams, stream_id, maker)
    broadcast = _clipped_broadcast(work, stream, maker, wish.broadcast_id)
    if work.clips.count_of(stream_id, maker) >= MOST_OF_USER:
        raise LimitReached(f"You have made {MOST_OF_USER} clips of this stream, the most there may be. Delete some.")
    epochs = timelines.epochs(broadcast.broadcast_id)
    segments = timelines.segments(broadcast.broadcast_id)
    start = wish.start
    begins = seconds_at(epochs, round(start.timestamp() * 1000)) if isinstance(start, datetime) else start
    length = min(wish.duration_seconds, LONGEST_SECONDS)
    found = cut(stream_id, broadcast.broadcast_id, epochs, segments, begins, length)
    if found is None:
        raise InvalidInput(errors=(FieldError("start", "The broadcast has nothing at this time."),))
    clip_id = ClipId(new_id())
    for key, (text, content_type) in manifests(found.timeline, clip_id, unix_ms()).items():
        objects.put(key, text.encode(), content_type, object_keys.RECORDING_MANIFEST)
    has_picture = broadcast.renditions != (object_keys.AUDIO_TRACK,)
    picture = int(found.start_seconds // THUMBNAIL_SECONDS) if has_picture else None
    work.clips.add(
        clip_id, broadcast.broadcast_id, maker, wish.title, found.start_seconds, found.duration_seconds, picture
    )
    clip = work.clips.by_id(clip_id)
    if clip is None:
        raise NotFound  # the recording was deleted meanwhile, and what we wrote goes with it
    return clip


def visible_clip(work: Work, clip_id: ClipId, viewer: UserId | None) -> Clip:
    """Raises NotFound."""
    clip = work.clips.by_id(clip_id)
    if clip is None or work.broadcasts.visible(clip.broadcast_id, viewer) is None:
        raise NotFound
    return clip


def delete_clip(work: Work, objects: Objects, clip_id: ClipId, user: UserId, roles: Collection[str]) -> None:
    """By its maker, the stream's owner and moderators, and the site's. Raises NotFound, Forbidden."""
    clip = visible_clip(work, clip_id, user)
    stream = visible_stream(work.streams, clip.stream_id, user)
    may = (
        clip.maker_id == user
        or stream.is_owned_by(user)
        or not _SITE_MODERATORS.isdisjoint(roles)
        or work.moderators.has(clip.stream_id, user)
    )
    if not may:
        raise Forbidden("Only who made the clip, the stream's owner and its moderators may delete it.")
    work.clips.remove(clip_id)
    objects.delete_many(objects.list(object_keys.clip(clip.stream_id, clip.broadcast_id, clip_id, "")))


def _clipped_broadcast(work: Work, stream: Stream, maker: UserId, wanted: BroadcastId | None) -> PastBroadcast:
    if wanted is None:
        owned = stream.is_owned_by(maker)
        newest = work.broadcasts.of_stream(stream.stream_id, for_owner=owned, before=None, limit=1)
        if not newest:
            raise NotRecorded
        [broadcast] = newest
    else:
        visible = work.broadcasts.visible(wanted, maker)
        if visible is None or visible.stream_id != stream.stream_id:
            raise NotFound
        broadcast = visible
    if not broadcast.keeps_media or not broadcast.recorded:
        raise NotRecorded
    return broadcast

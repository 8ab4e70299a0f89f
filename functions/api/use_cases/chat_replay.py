"""Stage 7 · chat over a recording: what was said, by how far into the recording it was said.

Who may watch the recording may read along. What was said before the first picture belongs to no recording.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from functions.api.representations import ReplayedMessageOut
from functions.api.use_cases.chat import Hides, archived_message
from functions.api.use_cases.streams import StreamStore, visible_stream
from headwater.contracts import ChatMessageArchived
from headwater.domain.ids import BroadcastId, StreamId, UserId
from headwater.domain.streams import PastBroadcast
from headwater.errors import DependencyUnavailable, NotFound, NotRecorded
from headwater.media.moments import moment_at, seconds_at
from headwater.media.timeline import Epoch
from headwater.observability import count

# Viewers are some seconds behind: what they say of the end, they say after it. It stands at the end.
AFTERWARDS_MS = 20_000


class BroadcastStore(Protocol):
    def visible(self, broadcast_id: BroadcastId, viewer: UserId | None) -> PastBroadcast | None: ...


class Rooms(Protocol):
    def hidden(self, stream_id: StreamId) -> Hides: ...


class ArchivedMessages(Protocol):
    def between(
        self, stream_id: StreamId, first_ms: int, until_ms: int | None, after: tuple[int, int] | None, limit: int
    ) -> Sequence[ChatMessageArchived]: ...


class Work(Protocol):
    @property
    def streams(self) -> StreamStore: ...
    @property
    def broadcasts(self) -> BroadcastStore: ...
    @property
    def chat(self) -> ArchivedMessages: ...


class Timelines(Protocol):
    def epochs(self, broadcast_id: BroadcastId) -> Sequence[Epoch]: ...


def replay_chat(
    work: Work,
    rooms: Rooms,
    timelines: Timelines,
    broadcast_id: BroadcastId,
    viewer: UserId | None,
    from_seconds: float,
    to_seconds: float | None,
    after: tuple[int, int] | None,
    limit: int,
) -> list[ReplayedMessageOut]:
    """Up to `limit` messages from there until before there, in the order in which they were said.

    `after`: the last one known, by when it was said (Unix ms) and its `seq`. Raises NotFound, NotRecorded.
    """
    broadcast = work.broadcasts.visible(broadcast_id, viewer)
    if broadcast is None:
        raise NotFound
    stream = visible_stream(work.streams, broadcast.stream_id, viewer)
    if not broadcast.keeps_media or not broadcast.recorded:
        raise NotRecorded
    epochs = timelines.epochs(broadcast_id)
    asked = moments_of(epochs, broadcast.duration_seconds, from_seconds, to_seconds)
    if asked is None:
        return []
    hides = _hidden_lately(rooms, broadcast.stream_id)
    shown: list[ChatMessageArchived] = []
    while True:
        page = work.chat.between(broadcast.stream_id, *asked, after, limit)
        shown += [each for each in page if not hides(each.message_id, each.user_id, each.seq)]
        if len(shown) >= limit or len(page) < limit:
            break
        after = page[-1].created_at, page[-1].seq
    return [_replayed(each, epochs, broadcast.duration_seconds, stream.owner.user_id) for each in shown[:limit]]


def _hidden_lately(rooms: Rooms, stream_id: StreamId) -> Callable[[str, str, int], bool]:
    """The archive does not know at once what was hidden just now."""
    try:
        return rooms.hidden(stream_id).hides
    except DependencyUnavailable:
        count("HiddenChatNotRead")
        return lambda *_: False


def moments_of(
    epochs: Sequence[Epoch], duration_seconds: float | None, from_seconds: float, to_seconds: float | None
) -> tuple[int, int | None] | None:
    """From when (Unix ms) it was so far, and from when it was that far; None where there is nothing. Without a duration the
    broadcast goes on."""
    if not epochs or (duration_seconds is not None and from_seconds > duration_seconds):
        return None
    first = moment_at(epochs, from_seconds)
    if to_seconds is not None and (duration_seconds is None or to_seconds <= duration_seconds):
        return first, moment_at(epochs, to_seconds)
    return first, None if duration_seconds is None else moment_at(epochs, duration_seconds) + AFTERWARDS_MS


def offset_of(epochs: Sequence[Epoch], duration_seconds: float | None, unix_ms: int) -> float:
    """How far into the recording something was said."""
    seconds = seconds_at(epochs, unix_ms)
    return seconds if duration_seconds is None else min(seconds, duration_seconds)


def _replayed(
    archived: ChatMessageArchived, epochs: Sequence[Epoch], duration_seconds: float | None, owner_id: UserId
) -> ReplayedMessageOut:
    offset = offset_of(epochs, duration_seconds, archived.created_at)
    return ReplayedMessageOut(**dict(archived_message(archived, owner_id)), offset=offset)

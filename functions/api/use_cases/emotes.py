"""Stage 7 · a stream's own emotes: asked for with a name, seen by whoever sees the stream, taken away.

They live in DynamoDB, for chat reads them while a message is on its way. The lock on the stream's row makes two calls follow
each other, so that the limit holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol

from functions.api.use_cases.streams import StreamStore, visible_stream
from headwater.adapters.presigned import UploadForm
from headwater.broadcasts import unix_ms
from headwater.contracts import ChatModerated
from headwater.domain.accounts import Role
from headwater.domain.emotes import LIMIT, MAX_BYTES, UPLOAD_SECONDS, Emote, EmoteState
from headwater.domain.ids import StreamId, UserId, new_id
from headwater.domain.moderation import ModerationAction
from headwater.domain.streams import Stream
from headwater.errors import Conflict, Forbidden, LimitReached, NotFound
from headwater.media.object_keys import emote_prefix, emote_upload

_SITE_MODERATORS = frozenset({Role.MODERATOR, Role.ADMIN})


class EmoteStore(Protocol):
    def of_stream(self, stream_id: StreamId) -> Sequence[Emote]: ...
    def put(self, stream_id: StreamId, emote: Emote, before: Emote | None) -> bool: ...
    def remove(self, stream_id: StreamId, name: str) -> None: ...


class Forms(Protocol):
    def upload(self, key: str, content_type: str, max_bytes: int, seconds: int) -> UploadForm: ...


class Objects(Protocol):
    def list(self, prefix: str) -> Iterator[str]: ...
    def delete_many(self, keys: Iterable[str]) -> int: ...


class LockedStreams(StreamStore, Protocol):
    def hold(self, stream_id: StreamId, owner_id: UserId) -> None: ...


class ModeratorStore(Protocol):
    def has(self, stream_id: StreamId, user_id: UserId) -> bool: ...


class LogStore(Protocol):
    def write(self, entry: ChatModerated) -> None: ...


class Work(Protocol):
    @property
    def streams(self) -> LockedStreams: ...
    @property
    def moderators(self) -> ModeratorStore: ...
    @property
    def moderation_log(self) -> LogStore: ...


def emotes_of(
    work: Work, emotes: EmoteStore, stream_id: StreamId, viewer: UserId | None, roles: Collection[str]
) -> Sequence[Emote]:
    """What can be said; to who may add some, also what became of the others. Raises NotFound."""
    stream = visible_stream(work.streams, stream_id, viewer)
    found = emotes.of_stream(stream_id)
    if viewer is not None and _may_keep(work, stream, viewer, roles):
        return found
    return [each for each in found if each.state is EmoteState.READY]


def ask_for_emote(
    work: Work,
    emotes: EmoteStore,
    forms: Forms,
    stream_id: StreamId,
    caller: UserId,
    roles: Collection[str],
    name: str,
    content_type: str,
) -> tuple[Emote, UploadForm]:
    """A form to send the picture with. Asked for again before it is ready, the earlier form counts no more.

    Raises NotFound, Forbidden, Conflict when there is one of this name, LimitReached.
    """
    stream = _kept(work, stream_id, caller, roles)
    work.streams.hold(stream_id, stream.owner.user_id)
    found = emotes.of_stream(stream_id)
    before = next((each for each in found if each.name == name), None)
    if before is None and len(found) >= LIMIT:
        raise LimitReached(f"A stream has at most {LIMIT} emotes of its own. Take one away first.")
    emote = Emote(new_id(), name, EmoteState.PENDING, created_by=caller, created_at_ms=unix_ms())
    if (before is not None and before.state is EmoteState.READY) or not emotes.put(stream_id, emote, before):
        raise Conflict(f"There is an emote called {name} already. Take it away first.")
    if before is None:
        _log(work, stream_id, caller, ModerationAction.EMOTE, name)
    return emote, forms.upload(emote_upload(stream_id, emote.emote_id), content_type, MAX_BYTES, UPLOAD_SECONDS)


def remove_emote(
    work: Work,
    emotes: EmoteStore,
    objects: Objects,
    stream_id: StreamId,
    caller: UserId,
    roles: Collection[str],
    name: str,
) -> None:
    """Nobody can say it any more, and its pictures are gone. Raises NotFound, Forbidden."""
    _kept(work, stream_id, caller, roles)
    emote = next((each for each in emotes.of_stream(stream_id) if each.name == name), None)
    if emote is None:
        raise NotFound
    # In this order: cut off in between, it can be done again.
    objects.delete_many(objects.list(emote_prefix(stream_id, emote.emote_id)))
    emotes.remove(stream_id, name)
    _log(work, stream_id, caller, ModerationAction.UNEMOTE, name)


def _log(work: Work, stream_id: StreamId, caller: UserId, action: ModerationAction, name: str) -> None:
    work.moderation_log.write(
        ChatModerated(
            entry_id=new_id(),
            stream_id=stream_id,
            action=action,
            actor_id=caller,
            details={"name": name},
            created_at=unix_ms(),
        )
    )


def _kept(work: Work, stream_id: StreamId, caller: UserId, roles: Collection[str]) -> Stream:
    stream = visible_stream(work.streams, stream_id, caller)
    if not _may_keep(work, stream, caller, roles):
        raise Forbidden("Only the stream's owner and its moderators keep its emotes.")
    return stream


def _may_keep(work: Work, stream: Stream, user: UserId, roles: Collection[str]) -> bool:
    return (
        stream.is_owned_by(user)
        or not _SITE_MODERATORS.isdisjoint(roles)
        or work.moderators.has(stream.stream_id, user)
    )

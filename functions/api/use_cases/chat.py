"""Stage 7 · chat over HTTP: tickets for the socket, and what was said before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from functions.api.representations import ChatAuthorOut, ChatMessageOut, EmoteRangeOut
from headwater.contracts import ChatMessageArchived
from headwater.domain.chat import Chatter, badges, role_in_room, role_shown_by
from headwater.domain.emotes import EmoteRange
from headwater.domain.ids import StreamId, UserId
from headwater.domain.server_frames import MessageEvent, rfc3339
from headwater.errors import DependencyUnavailable
from headwater.observability import count

_LOOKED_AT = 100  # at least so many at a time, for all of them may be hidden


class Hides(Protocol):
    def hides(self, message_id: str, user_id: str, seq: int) -> bool: ...


class RecentMessages(Protocol):
    def recent(self, stream_id: StreamId, before: int | None, limit: int) -> list[MessageEvent]: ...
    def hidden(self, stream_id: StreamId) -> Hides: ...


class ArchivedMessages(Protocol):
    def before(self, stream_id: StreamId, seq: int | None, limit: int) -> Sequence[ChatMessageArchived]: ...


def read_chat(
    recent: RecentMessages,
    archive: ArchivedMessages,
    stream_id: StreamId,
    owner_id: UserId,
    before: int | None,
    limit: int,
) -> list[ChatMessageOut]:
    """Up to `limit` messages that are not hidden, newest first. The newest are not in the archive yet, and the cache forgets:
    so, both. Nor does the archive know at once what was hidden just now."""
    shown: list[ChatMessageOut] = []
    most = max(limit, _LOOKED_AT)
    while True:
        found = {each.seq: archived_message(each, owner_id) for each in archive.before(stream_id, before, most)}
        hidden: Hides | None = None
        try:
            for event in recent.recent(stream_id, before, most):
                if isinstance(event.seq, int):
                    found[event.seq] = _from_event(event, event.seq)
            hidden = recent.hidden(stream_id)
        except DependencyUnavailable:
            count("RecentChatNotRead")
        page = [found[seq] for seq in sorted(found, reverse=True)[:most]]
        shown += [each for each in page if hidden is None or not hidden.hides(each.id, each.user.id, each.seq)]
        if len(shown) >= limit or len(page) < most:
            return shown[:limit]
        before = page[-1].seq


def _from_event(event: MessageEvent, seq: int) -> ChatMessageOut:
    author = event.user
    return ChatMessageOut(
        seq=seq,
        id=event.id,
        user=ChatAuthorOut(id=author.id, username=author.username, role=author.role.value, badges=list(author.badges)),
        text=event.text,
        emotes=_ranges(event.emotes),
        reply_to=event.reply_to,
        created_at=datetime.fromisoformat(event.created_at),
    )


def archived_message(archived: ChatMessageArchived, owner_id: UserId) -> ChatMessageOut:
    role = role_in_room(Chatter(archived.user_id, archived.username), owner_id)
    shown = badges(role)
    if archived.badges is not None:
        role, shown = role_shown_by(archived.badges), archived.badges
    return ChatMessageOut(
        seq=archived.seq,
        id=archived.message_id,
        user=ChatAuthorOut(id=archived.user_id, username=archived.username, role=role.value, badges=list(shown)),
        text=archived.text,
        emotes=_ranges(archived.emotes),
        reply_to=archived.reply_to,
        created_at=datetime.fromisoformat(rfc3339(archived.created_at)),
    )


def _ranges(emotes: Sequence[EmoteRange]) -> list[EmoteRangeOut]:
    return [EmoteRangeOut(id=each.id, name=each.name, start=each.start, end=each.end) for each in emotes]

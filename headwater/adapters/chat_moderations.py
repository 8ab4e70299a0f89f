"""Stage 7 · what moderators do to a room, in the cache: each an event in the log, and all that it changes, in one step.

- `room:{id}:hidden`, a hash: what nobody is to see any more of what the log holds. `<message id>` → `d<entry>`, deleted (by
  the entry of this id in the moderation log), or `r<seq>`, shown again since that event; `user:<id>` → `<first> <last>`, all
  that they said from one event to the other; `@cleared` → likewise, all that anybody said
- `room:{id}:names`, a hash: name in lower case → `<user id> <name> <1 if they moderate the site>` of who spoke lately
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from headwater.adapters.cache import cache_client
from headwater.adapters.room_scripts import (
    LOG_SECONDS,
    NUMBERING,
    hidden_key,
    is_message,
    log_key,
    names_key,
    read_events,
    run_script,
    sent_key,
    standing_key,
    unavailable_when_failing,
)
from headwater.domain.chat import RoomEvent
from headwater.domain.ids import MessageId, StreamId, UserId
from headwater.domain.server_frames import MessageDeletedEvent, MessageEvent, NumberedEvent

NONCE_SECONDS = 600
_CLEARED = "@cleared"
_OF_USER = "user:"

# KEYS: state, log, nonce, standing, hidden
# ARGV: common (3), event (or empty), entry, seconds of the nonce, change, of what, seconds of hidden, what it undoes (or empty)
# Answers the entry, the event's seq, the log's first, and what it undoes.
_RECORD = (
    NUMBERING
    + """
local before = redis.call('GET', KEYS[3])
if before then
  local entry, seq, first, was = string.match(before, '^(%S+) (%S+) (%S+) (%S*)$')
  return {entry, seq, first, was}
end
local change, what = ARGV[7], ARGV[8]
local seq = ARGV[4] == '' and newest() or append(ARGV[4])
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
local first = oldest and string.match(oldest[1], '^%d+') or seq
local was = ARGV[10]
if change == 'bar' or change == 'lift' then
  redis.call('DEL', KEYS[4])
  local number = tonumber(redis.call('HGET', KEYS[1], 'standings') or 0)
  redis.call('HSET', KEYS[1], 'standings', string.format('%.0f', math.max(clock(), number + 1)))
end
local function hide(name)  -- what overlaps is one; an earlier range that does not is no longer in the log
  local from, to = string.match(redis.call('HGET', KEYS[5], name) or '', '^(%d+) (%d+)$')
  if not (from and tonumber(to) >= tonumber(first)) then from = first end
  redis.call('HSET', KEYS[5], name, from .. ' ' .. seq)
end
if change == 'bar' then
  hide('user:' .. what)
elseif change == 'delete' then
  redis.call('HSET', KEYS[5], what, 'd' .. ARGV[5])
elseif change == 'restore' then
  was = string.match(redis.call('HGET', KEYS[5], what) or '', '^d(%S+)$') or ''
  redis.call('HSET', KEYS[5], what, 'r' .. seq)
elseif change == 'clear' then
  hide('@cleared')
end
redis.call('EXPIRE', KEYS[5], ARGV[9])
redis.call('SET', KEYS[3], ARGV[5] .. ' ' .. seq .. ' ' .. first .. ' ' .. was, 'EX', ARGV[6])
return {ARGV[5], seq, first, was}
"""
)


class Change(StrEnum):
    """What comes of an event beside its being told."""

    NONE = "none"
    BAR = "bar"  # a user: what the room knew of them is looked up anew, and what they said is hidden
    LIFT = "lift"  # a user: looked up anew
    DELETE = "delete"  # a message
    RESTORE = "restore"  # a message
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Recorded:
    """`entry_id`: under which it is logged. `first_seq`: of what the room still showed. `undoes`: another entry."""

    entry_id: str
    seq: int
    first_seq: int
    undoes: str | None


class ChatModerations:
    """Every method raises DependencyUnavailable when the cache does not answer."""

    def __init__(self, cache_url: str) -> None:
        self._cache_url = cache_url

    def record(
        self,
        stream_id: StreamId,
        actor: UserId,
        nonce: str,
        entry_id: str,
        event: NumberedEvent | None,
        change: Change = Change.NONE,
        of: str = "",
        undoes: str | None = None,
    ) -> Recorded:
        """Once, however often it is called with one `nonce` of one actor: then the answer is as it was."""
        keys = (
            sent_key(stream_id, actor, f"moderation:{nonce}"),
            standing_key(stream_id, UserId(of)),
            hidden_key(stream_id),
        )
        body = b"" if event is None else msgspec.json.encode(event)
        arguments = (body, entry_id, NONCE_SECONDS, change.value, of, LOG_SECONDS, undoes or "")
        entry, seq, first, was = run_script(self._cache_url, _RECORD, stream_id, keys, arguments)
        return Recorded(entry, int(seq), int(first), was or None)

    def message(self, stream_id: StreamId, message_id: MessageId) -> MessageEvent | None:
        """As it was said, hidden or not, while the log holds it."""
        with unavailable_when_failing():
            entries = cache_client(self._cache_url).xrevrange(log_key(stream_id))
        for event in read_events(entries or []):
            if message_id in event.body and is_message(event):
                found = msgspec.json.decode(event.body, type=MessageEvent)
                if found.id == message_id:
                    return found
        return None

    def speaker(self, stream_id: StreamId, username: str) -> tuple[UserId, str, bool] | None:
        """Who spoke lately under this name, in any case: their id and name, and whether they moderate the site."""
        with unavailable_when_failing():
            found = cache_client(self._cache_url).hget(names_key(stream_id), username.lower())
        if found is None:
            return None
        user_id, name, moderates = str(found).split(" ")
        return UserId(user_id), name, moderates == "1"


class _SaidBy(msgspec.Struct):
    id: str


class _Said(msgspec.Struct):
    """What of an event in the log tells whether it is hidden; `message` of one that was restored."""

    type: str
    seq: int = 0
    id: str = ""
    user: _SaidBy | None = None
    message: _Said | None = None


_said = msgspec.json.Decoder(_Said)


class Hidden:
    """What of a room's messages nobody is to see any more; made of the hash, name by name."""

    def __init__(self, marks: Mapping[str, str]) -> None:
        self._marks = marks

    def __bool__(self) -> bool:
        return bool(self._marks)

    def hides(self, message_id: str, user_id: str, seq: int) -> bool:
        mark = self._marks.get(message_id, "")
        if mark.startswith("d"):
            return True
        shown_since = int(mark[1:]) if mark.startswith("r") else 0
        for name in (_OF_USER + user_id, _CLEARED):
            first, last = map(int, self._marks.get(name, "1 0").split())
            if first <= seq <= last and shown_since < last:
                return True
        return False


def without_hidden(events: Sequence[RoomEvent], hidden: Hidden) -> tuple[RoomEvent, ...]:
    """`events`, but in the place of each that holds what is hidden, under its number, that it was deleted."""
    return tuple(_shown(event, hidden) for event in events) if hidden else tuple(events)


def _shown(event: RoomEvent, hidden: Hidden) -> RoomEvent:
    said = _said.decode(event.body)
    if said.type == "message_restored" and said.message is not None:
        said = said.message
    if said.type != "message" or said.user is None or not hidden.hides(said.id, said.user.id, said.seq):
        return event
    told = MessageDeletedEvent(seq=event.seq, message_id=MessageId(said.id))
    return RoomEvent(event.seq, msgspec.json.encode(told).decode())

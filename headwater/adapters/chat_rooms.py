"""Stage 7 · a room's numbering and its latest events, in the cache: what makes chat ordered and resumable.

All keys of a room carry the hash tag `{stream_id}`, so that one script changes them together:

- `room:{id}:state`, a hash: `seq` of the newest event; `start`, the number from which it counts; `status` of the stream as
  last told, with its `status_version` and `status_seq`; `viewers`, as last told; and what the delivery keeps there
  (chat_rounds.py, chat_seats.py)
- `room:{id}:log`, a Redis stream whose entry ids are `<seq>-0`: the newest events, without a hole
- `room:{id}:members:<shard>`: who is to be sent them (chat_seats.py)
- `room:{id}:figures`, a hash: what is to be told at the next second: `+<emoji>`, how often it was given; `viewers`;
  `waiting`, messages for review
- `room:{id}:sent:<user>:<nonce>`: what was done under this nonce, a message (chat_acceptance.py) or a moderation
- `rate:{id}:chat:<user>` and `rate:{id}:room`, hashes: token buckets of a user in this room, and of all in it
- `room:{id}:said:<hash>`: that this was said, in a room where nothing may be said twice
- `room:{id}:standing:<user>`: whether the user may speak (chat_standings.py)
- `room:{id}:names`, `room:{id}:hidden`: who spoke lately, and what is not shown any more (chat_moderations.py)

All of it may be lost. Then numbering starts anew from the time in milliseconds, which is above every number given before
(no room takes a thousand messages a second), and whoever resumes is told that there is a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.adapters.cache import cache_client
from headwater.adapters.chat_moderations import Hidden, without_hidden
from headwater.adapters.room_scripts import (
    NUMBERING,
    figures_key,
    hidden_key,
    is_message,
    log_key,
    read_events,
    run_script,
    unavailable_when_failing,
)
from headwater.domain.chat import HISTORY_EVENTS, RoomView
from headwater.domain.ids import MessageId, StreamId
from headwater.domain.server_frames import MessageEvent, NumberedEvent, StreamStatusEvent, rfc3339

_APPEND = NUMBERING + "return append(ARGV[4])"

# ARGV: common (3), event, version of the status (rises), status · the event's seq, or 0 when there is nothing to tell
_SET_STATUS = (
    NUMBERING
    + """
newest()
local was = redis.call('HMGET', KEYS[1], 'status_version', 'status', 'status_seq')
local version, status = ARGV[5], ARGV[6]
if was[1] and was[1] >= version then
  return was[1] == version and was[3] or '0'
end
redis.call('HSET', KEYS[1], 'status_version', version, 'status', status)
if status == (was[2] or 'offline') then return '0' end
local seq = append(ARGV[4])
redis.call('HSET', KEYS[1], 'status_seq', seq)
return seq
"""
)

# KEYS: state, log, hidden
# ARGV: common (3), the last seq that the reader has (or empty), how many of the latest to show who has none
_VIEW = (
    NUMBERING
    + """
local seq, gap, hidden = newest(), 0, redis.call('HGETALL', KEYS[3])
if ARGV[4] ~= '' then
  local after = tonumber(ARGV[4])
  if after == tonumber(seq) then return {seq, 0, {}, hidden} end
  local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  local first = oldest and tonumber(string.match(oldest[1], '^%d+'))
  if first and first - 1 <= after and after < tonumber(seq) then
    return {seq, 0, redis.call('XRANGE', KEYS[2], '(' .. ARGV[4] .. '-0', '+'), hidden}
  end
  gap = 1
end
return {seq, gap, redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', ARGV[5]), hidden}
"""
)

# ARGV: common (3), how the message's event begins after its number. Nearly always it is among the latest.
_HOLDS = """
local last = '+'
while true do
  local entries = redis.call('XREVRANGE', KEYS[2], last, '-', 'COUNT', 100)
  for _, entry in ipairs(entries) do
    if string.find(entry[2][2], ARGV[4], 1, true) then return 1 end
  end
  if #entries < 100 then return 0 end
  last = '(' .. entries[#entries][1]
end
"""

# KEYS: state, log, figures · ARGV: common (3), seconds that they are kept, field, value
_ADD_REACTION = """
redis.call('HINCRBY', KEYS[3], ARGV[5], ARGV[6])
return redis.call('EXPIRE', KEYS[3], ARGV[4])
"""
_SET_FIGURE = """
redis.call('HSET', KEYS[3], ARGV[5], ARGV[6])
return redis.call('EXPIRE', KEYS[3], ARGV[4])
"""
# Who watches is looked at every few seconds: a room that nobody has joined, or that knows, is not told.
_SET_VIEWERS = """
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HGET', KEYS[1], ARGV[5]) == ARGV[6] then return 0 end
redis.call('HSET', KEYS[1], ARGV[5], ARGV[6])
redis.call('HSET', KEYS[3], ARGV[5], ARGV[6])
return redis.call('EXPIRE', KEYS[3], ARGV[4])
"""
FIGURE_SECONDS = 60  # one that could not be told for so long is of no interest


class ChatRooms:
    """Every method raises DependencyUnavailable when the cache does not answer."""

    def __init__(self, cache_url: str) -> None:
        self._cache_url = cache_url

    def append(self, stream_id: StreamId, event: NumberedEvent) -> int:
        """Number an event and append it to the log; its `seq`."""
        return int(self._run(_APPEND, stream_id, (msgspec.json.encode(event),)))

    def set_status(self, stream_id: StreamId, status: str, version: str, at_ms: int) -> int | None:
        """Append a `stream_status` event if the stream's status has changed; its `seq`, or None if there is no news.

        `version` orders the changes: one that is older than what is known is dropped, and one that comes again is
        answered as it was before, so that whoever could not finish can do so.
        """
        event = StreamStatusEvent(status=status, at=rfc3339(at_ms))
        return int(self._run(_SET_STATUS, stream_id, (msgspec.json.encode(event), version, status))) or None

    def view(self, stream_id: StreamId, *, after_seq: int | None, history: int = HISTORY_EVENTS) -> RoomView:
        """Exactly the events after `after_seq`; without it, or when some of those are gone, the latest `history`.

        In the place of a message that is hidden by now, it says that it was deleted.
        """
        arguments = ("" if after_seq is None else after_seq, history)
        seq, gap, entries, hidden = run_script(self._cache_url, _VIEW, stream_id, (hidden_key(stream_id),), arguments)
        events = sorted(read_events(entries), key=lambda event: event.seq)
        return RoomView(seq=int(seq), events=without_hidden(events, _hidden(hidden)), gap=bool(gap))

    def holds(self, stream_id: StreamId, message_id: MessageId) -> bool:
        """Whether there is such a message among those that the room still has."""
        # Within a text every quotation mark is escaped, so that nobody can write this.
        return bool(run_script(self._cache_url, _HOLDS, stream_id, (), (f'"type":"message","id":"{message_id}"',)))

    def add_reaction(self, stream_id: StreamId, emoji: str) -> None:
        """Somebody gave `emoji`. Hint the delivery afterwards: it tells the sums, once a second."""
        self._figure(_ADD_REACTION, stream_id, f"+{emoji}", 1)

    def set_viewers(self, stream_id: StreamId, viewers: int) -> bool:
        """How many are watching by now; whether that is news to anybody. Then hint the delivery."""
        return bool(self._figure(_SET_VIEWERS, stream_id, "viewers", viewers))

    def set_waiting(self, stream_id: StreamId, waiting: int) -> None:
        """How many messages wait for review by now; told to moderators alone. Hint the delivery afterwards."""
        self._figure(_SET_FIGURE, stream_id, "waiting", waiting)

    def recent(self, stream_id: StreamId, before: int | None, limit: int) -> list[MessageEvent]:
        """Up to `limit` messages with a `seq` below `before`, newest first, hidden or not. Older ones are in the archive."""
        end = "+" if before is None else f"({before}-0"
        messages: list[MessageEvent] = []
        while True:
            with unavailable_when_failing():
                found = cache_client(self._cache_url).xrevrange(log_key(stream_id), max=end, min="-", count=limit)
            events = read_events(found or [])
            for event in events:
                if is_message(event):
                    messages.append(msgspec.json.decode(event.body, type=MessageEvent))
            if len(messages) >= limit or len(events) < limit:
                return messages[:limit]
            end = f"({events[-1].seq}-0"

    def hidden(self, stream_id: StreamId) -> Hidden:
        """What nobody is to see any more, of what the log holds and of what the archive does not know of yet."""
        with unavailable_when_failing():
            marks: dict[str, str] = cache_client(self._cache_url).hgetall(hidden_key(stream_id))  # type: ignore[assignment]
        return Hidden(marks)

    def _figure(self, script: str, stream_id: StreamId, field: str, value: int) -> Any:
        keys = (figures_key(stream_id),)
        return run_script(self._cache_url, script, stream_id, keys, (FIGURE_SECONDS, field, value))

    def _run(self, script: str, stream_id: StreamId, arguments: tuple[Any, ...] = ()) -> Any:
        return run_script(self._cache_url, script, stream_id, (), arguments)


def _hidden(entries: Sequence[str]) -> Hidden:
    return Hidden(dict(zip(entries[::2], entries[1::2], strict=True)))

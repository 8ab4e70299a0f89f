"""Stage 7 · a room's numbering and its latest events, in the cache: what makes chat ordered and resumable.

All keys of a room carry the hash tag `{stream_id}`, so that one script changes them together:

- `room:{id}:state`, a hash: `seq` of the newest event; `delivered`, the newest that was sent to the connections;
  `status` of the stream as last told, with its `status_version` and `status_seq`
- `room:{id}:log`, a Redis stream whose entry ids are `<seq>-0`: the newest events, without a hole
- `room:{id}:sent:<user>:<nonce>`: what a message sent under this nonce has become
- `rate:{id}:chat:<user>`, a hash: the user's token bucket in this room

All of it may be lost. Then numbering starts anew from the time in milliseconds, which is above every number given before
(no room takes a thousand messages a second), and whoever resumes is told that there is a gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from headwater.adapters.cache import CACHE_FAILURES, cache_client
from headwater.domain.chat import HISTORY_EVENTS, MESSAGE_BURST, MESSAGES_PER_MINUTE, RoomEvent, RoomView
from headwater.domain.ids import MessageId, StreamId, UserId
from headwater.domain.server_frames import MessageEvent, rfc3339
from headwater.errors import DependencyUnavailable, RateLimited

LOG_EVENTS = 1000
LOG_SECONDS = 6 * 3600  # after a room's last event
STATE_SECONDS = 24 * 3600  # far above the two hours that a connection lives, so that its numbers go on
NONCE_SECONDS = 600  # a client that got no ack tries again within seconds

# `newest()` is the number of the newest event. In a room without numbers it starts them, so that the first
# message after somebody joined is the very next number. Numbers are written with %.0f: Lua would say 1.7e+12.
_NUMBERING = """
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function newest()
  local seq = redis.call('HGET', KEYS[1], 'seq')
  if not seq then
    seq = string.format('%.0f', clock())
    redis.call('DEL', KEYS[2])
    redis.call('HSET', KEYS[1], 'seq', seq, 'delivered', seq)
  end
  redis.call('EXPIRE', KEYS[1], ARGV[1])
  return seq
end
local function append(body)
  newest()
  local seq = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'seq', 1))
  redis.call('XADD', KEYS[2], 'MAXLEN', '=', ARGV[2], seq .. '-0', 'event', '{"seq":' .. seq .. ',' .. string.sub(body, 2))
  redis.call('EXPIRE', KEYS[2], ARGV[3])
  return seq
end
"""
_COMMON = (STATE_SECONDS, LOG_EVENTS, LOG_SECONDS)

_APPEND = _NUMBERING + "return append(ARGV[4])"

# ARGV: common (3), event, version of the status (rises), status · the event's seq, or 0 when there is nothing to tell
_SET_STATUS = (
    _NUMBERING
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

# KEYS: state, log, nonce, bucket · ARGV: common (3), event, message id, burst, tokens per ms, seconds of the nonce
_ACCEPT = (
    _NUMBERING
    + """
local before = redis.call('GET', KEYS[3])
if before then
  local id, seq = string.match(before, '^(%S+) (%S+)$')
  return {'again', id, seq}
end
local burst, rate, now = tonumber(ARGV[6]), tonumber(ARGV[7]), clock()
local bucket = redis.call('HMGET', KEYS[4], 'tokens', 'at')
local idle = math.max(0, now - (tonumber(bucket[2]) or now))
local tokens = math.min(burst, (tonumber(bucket[1]) or burst) + idle * rate)
if tokens < 1 then
  return {'limited', string.format('%.0f', math.ceil((1 - tokens) / rate))}
end
redis.call('HSET', KEYS[4], 'tokens', string.format('%.6f', tokens - 1), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[4], string.format('%.0f', math.ceil(burst / rate)))
local seq = append(ARGV[4])
redis.call('SET', KEYS[3], ARGV[5] .. ' ' .. seq, 'EX', ARGV[8])
return {'accepted', ARGV[5], seq}
"""
)

# ARGV: common (3), the last seq that the reader has (or empty), how many of the latest to show who has none
_VIEW = (
    _NUMBERING
    + """
local seq, gap = newest(), 0
if ARGV[4] ~= '' then
  local after = tonumber(ARGV[4])
  if after == tonumber(seq) then return {seq, 0, {}} end
  local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  local first = oldest and tonumber(string.match(oldest[1], '^%d+'))
  if first and first - 1 <= after and after < tonumber(seq) then
    return {seq, 0, redis.call('XRANGE', KEYS[2], '(' .. ARGV[4] .. '-0', '+')}
  end
  gap = 1
end
return {seq, gap, redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', ARGV[5])}
"""
)

# ARGV: common (3), how many at most
_UNDELIVERED = """
local delivered = redis.call('HGET', KEYS[1], 'delivered')
if not delivered then return {} end
return redis.call('XRANGE', KEYS[2], '(' .. delivered .. '-0', '+', 'COUNT', ARGV[4])
"""

# The cursor only moves forward, and not past what there is: a late run must not touch numbers that started anew.
_ADVANCE = """
local state = redis.call('HMGET', KEYS[1], 'seq', 'delivered')
local to = tonumber(ARGV[4])
if state[1] and to <= tonumber(state[1]) and to > tonumber(state[2]) then
  redis.call('HSET', KEYS[1], 'delivered', ARGV[4])
end
return 0
"""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message in the room's log. `again`: it was there before, under the same nonce."""

    message_id: MessageId
    seq: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class MessageRate:
    """At first `burst` messages, then `per_minute`: of one user in one room."""

    burst: int
    per_minute: int


USUAL_RATE = MessageRate(MESSAGE_BURST, MESSAGES_PER_MINUTE)


class ChatRooms:
    """Every method raises DependencyUnavailable when the cache does not answer."""

    def __init__(self, cache_url: str, rate: MessageRate = USUAL_RATE) -> None:
        self._cache_url = cache_url
        self._rate = rate

    def accept(self, stream_id: StreamId, user_id: UserId, nonce: str, message: MessageEvent) -> Accepted:
        """Number `message` and append it to the log, in one step; once, however often it is sent under one `nonce`.

        Raises RateLimited with the seconds until the user may speak again.
        """
        keys = (f"room:{{{stream_id}}}:sent:{user_id}:{nonce}", f"rate:{{{stream_id}}}:chat:{user_id}")
        rate_per_ms = self._rate.per_minute / 60_000
        answer = self._run(
            _ACCEPT,
            stream_id,
            keys,
            (msgspec.json.encode(message), message.id, self._rate.burst, repr(rate_per_ms), NONCE_SECONDS),
        )
        if answer[0] == "limited":
            raise RateLimited(
                "You are sending messages too quickly.", retry_after_seconds=max(1, -(-int(answer[1]) // 1000))
            )
        return Accepted(MessageId(answer[1]), int(answer[2]), again=answer[0] == "again")

    def append(self, stream_id: StreamId, event: dict[str, Any]) -> int:
        """Number an event of any other `type` and append it to the log; its `seq`."""
        return int(self._run(_APPEND, stream_id, (), (msgspec.json.encode(event),)))

    def set_status(self, stream_id: StreamId, status: str, version: str, at_ms: int) -> int | None:
        """Append a `stream_status` event if the stream's status has changed; its `seq`, or None if there is no news.

        `version` orders the changes: one that is older than what is known is dropped, and one that comes again is
        answered as it was before, so that whoever could not finish can do so.
        """
        event = {"type": "stream_status", "status": status, "at": rfc3339(at_ms)}
        return int(self._run(_SET_STATUS, stream_id, (), (msgspec.json.encode(event), version, status))) or None

    def newest_seq(self, stream_id: StreamId) -> int:
        return self.view(stream_id, after_seq=None, history=1).seq

    def view(self, stream_id: StreamId, *, after_seq: int | None, history: int = HISTORY_EVENTS) -> RoomView:
        """Exactly the events after `after_seq`; without it, or when some of those are gone, the latest `history`."""
        seq, gap, entries = self._run(_VIEW, stream_id, (), ("" if after_seq is None else after_seq, history))
        events = sorted(_events(entries), key=lambda event: event.seq)
        return RoomView(seq=int(seq), events=tuple(events), gap=bool(gap))

    def undelivered(self, stream_id: StreamId, limit: int) -> list[RoomEvent]:
        """The oldest events that were not yet sent to the room's connections."""
        return _events(self._run(_UNDELIVERED, stream_id, (), (limit,)))

    def mark_delivered(self, stream_id: StreamId, seq: int) -> None:
        self._run(_ADVANCE, stream_id, (), (seq,))

    def recent(self, stream_id: StreamId, before: int | None, limit: int) -> list[MessageEvent]:
        """Up to `limit` messages with a `seq` below `before`, newest first. Older ones are in the archive."""
        end = "+" if before is None else f"({before}-0"
        with _unavailable_when_failing():
            # Nearly all of a log are messages; where not, the archive has the rest.
            entries = cache_client(self._cache_url).xrevrange(_keys(stream_id)[1], max=end, min="-", count=2 * limit)
        messages = [event.body for event in _events(entries or []) if '"type":"message"' in event.body]
        return [msgspec.json.decode(body, type=MessageEvent) for body in messages[:limit]]

    def _run(self, script: str, stream_id: StreamId, keys: tuple[str, ...], arguments: tuple[Any, ...]) -> Any:
        all_keys = (*_keys(stream_id), *keys)
        with _unavailable_when_failing():
            client = cache_client(self._cache_url)
            # EVAL with the whole text, not EVALSHA: a kilobyte a call costs less than a second way to fail.
            return client.eval(script, len(all_keys), *all_keys, *_COMMON, *arguments)


def _keys(stream_id: StreamId) -> tuple[str, str]:
    return f"room:{{{stream_id}}}:state", f"room:{{{stream_id}}}:log"


def _events(entries: Sequence[Any]) -> list[RoomEvent]:
    """Stream entries as redis-py gives them: from scripts `[id, [field, value]]`, from commands `(id, {field: value})`."""
    found = []
    for entry_id, fields in entries:
        body = fields["event"] if isinstance(fields, dict) else fields[1]
        found.append(RoomEvent(int(entry_id.partition("-")[0]), body))
    return found


@contextmanager
def _unavailable_when_failing() -> Iterator[None]:
    try:
        yield
    except CACHE_FAILURES as error:
        raise DependencyUnavailable from error

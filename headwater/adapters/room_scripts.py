"""Stage 7 · how every script on a room's keys is run, and the piece of Lua that they share: the room's numbering."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from headwater.adapters.cache import CACHE_FAILURES, cache_client
from headwater.domain.chat import RoomEvent
from headwater.domain.ids import StreamId, UserId
from headwater.errors import DependencyUnavailable

LOG_EVENTS = 1000
LOG_SECONDS = 6 * 3600  # after a room's last event
STATE_SECONDS = 24 * 3600  # far above the two hours that a connection lives, so that its numbers go on

# `newest()` is the number of the newest event. In a room without numbers it starts them, so that the first
# message after somebody joined is the very next number. Numbers are written with %.0f: Lua would say 1.7e+12.
NUMBERING = """
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function newest()
  local seq = redis.call('HGET', KEYS[1], 'seq')
  if not seq then
    seq = string.format('%.0f', clock())
    redis.call('DEL', KEYS[2])
    redis.call('HSET', KEYS[1], 'seq', seq, 'start', seq)
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


def run_script(
    cache_url: str, script: str, stream_id: StreamId, keys: tuple[str, ...] = (), arguments: tuple[Any, ...] = ()
) -> Any:
    """Run `script` with the room's state, its log and `keys` as KEYS, and what NUMBERING needs before `arguments` as ARGV.

    Raises DependencyUnavailable when the cache does not answer.
    """
    all_keys = (state_key(stream_id), log_key(stream_id), *keys)
    with unavailable_when_failing():
        # EVAL with the whole text, not EVALSHA: a kilobyte a call costs less than a second way to fail.
        return cache_client(cache_url).eval(
            script, len(all_keys), *all_keys, STATE_SECONDS, LOG_EVENTS, LOG_SECONDS, *arguments
        )


def state_key(stream_id: StreamId) -> str:
    return f"room:{{{stream_id}}}:state"


def log_key(stream_id: StreamId) -> str:
    return f"room:{{{stream_id}}}:log"


def figures_key(stream_id: StreamId) -> str:
    return f"room:{{{stream_id}}}:figures"


def names_key(stream_id: StreamId) -> str:
    return f"room:{{{stream_id}}}:names"


def hidden_key(stream_id: StreamId) -> str:
    return f"room:{{{stream_id}}}:hidden"


def sent_key(stream_id: StreamId, user_id: UserId, nonce: str) -> str:
    return f"room:{{{stream_id}}}:sent:{user_id}:{nonce}"


def standing_key(stream_id: StreamId, user_id: UserId) -> str:
    return f"room:{{{stream_id}}}:standing:{user_id}"


def members_key(stream_id: StreamId, shard: int) -> str:
    return f"room:{{{stream_id}}}:members:{shard}"


def read_events(entries: Sequence[Any]) -> list[RoomEvent]:
    """Stream entries as redis-py gives them: from scripts `[id, [field, value]]`, from commands `(id, {field: value})`."""
    found = []
    for entry_id, fields in entries:
        body = fields["event"] if isinstance(fields, dict) else fields[1]
        found.append(RoomEvent(int(entry_id.partition("-")[0]), body))
    return found


def is_message(event: RoomEvent) -> bool:
    """Whether somebody said it; there are events that hold a message."""
    return event.body.startswith(f'{{"seq":{event.seq},"type":"message",')


@contextmanager
def unavailable_when_failing() -> Iterator[None]:
    try:
        yield
    except CACHE_FAILURES as error:
        raise DependencyUnavailable from error

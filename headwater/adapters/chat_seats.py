"""Stage 7 · who sits in which shard of a room, in the cache: a copy of DynamoDB's connections for who delivers.

- `room:{id}:members:<shard>`, a hash: connection → `<joined_seq> <1 if it moderates>`; `@` is a number that changes with
  every change, and is only there when the hash is complete
- in `room:{id}:state`: `shards`, how many there are; `seats_known`, when that is certain; `size:<shard>`

A connection is written to DynamoDB first and seated then, deleted there first and unseated then. So whoever finds a hash
without `@` can restore it by a strongly consistent query: who came after the query seats itself, and who left leaves `-`
in an incomplete hash, for the restorer, which adds only what is not there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain

from headwater.adapters.cache import cache_client
from headwater.adapters.room_scripts import NUMBERING, members_key, run_script, state_key, unavailable_when_failing
from headwater.domain.chat import Membership
from headwater.domain.chat_rounds import SHARD_CONNECTIONS, Seat
from headwater.domain.ids import ConnectionId, StreamId

COMPLETE = "@"

# ARGV: common (3), connections of a full shard
_PLACE = (
    NUMBERING
    + """
local seq = newest()
local shards = tonumber(redis.call('HGET', KEYS[1], 'shards') or 0)
for shard = 0, shards - 1 do
  if tonumber(redis.call('HGET', KEYS[1], 'size:' .. shard) or 0) < tonumber(ARGV[4]) then return {seq, shard} end
end
return {seq, shards}
"""
)

# What the scripts below end with. KEYS: state, log, members · ARGV: common (3), shard, …
_COUNTED = """
local function counted()
  local size = redis.call('HLEN', KEYS[3]) - redis.call('HEXISTS', KEYS[3], '@')
  redis.call('HSET', KEYS[1], 'size:' .. ARGV[4], size)
  redis.call('EXPIRE', KEYS[1], ARGV[1])
  redis.call('EXPIRE', KEYS[3], ARGV[1])
  return size
end
"""

# … connection, seat. Nobody can have been in a shard that the room did not have: it is complete from its first seat on.
# Who sits down alone was shown everything there is, so that nothing older need be sent.
_SEAT = (
    NUMBERING
    + _COUNTED
    + """
local shard, seq = tonumber(ARGV[4]), newest()
local room = redis.call('HMGET', KEYS[1], 'shards', 'seats_known')
if shard >= tonumber(room[1] or 0) then
  redis.call('HSET', KEYS[1], 'shards', shard + 1)
  if room[2] then redis.call('HSETNX', KEYS[3], '@', string.format('%.0f', clock())) end
end
if redis.call('HEXISTS', KEYS[3], '@') == 1 then
  if redis.call('HLEN', KEYS[3]) == 1 then redis.call('HSET', KEYS[1], 'delivered:' .. ARGV[4], seq) end
  redis.call('HINCRBY', KEYS[3], '@', 1)
end
redis.call('HSET', KEYS[3], ARGV[5], ARGV[6])
return counted()
"""
)

# … connection, connection, …
_UNSEAT = (
    _COUNTED
    + """
local complete, gone = redis.call('HEXISTS', KEYS[3], '@') == 1, 0
for place = 5, #ARGV do
  if complete then gone = gone + redis.call('HDEL', KEYS[3], ARGV[place])
  else redis.call('HSET', KEYS[3], ARGV[place], '-') end
end
if gone > 0 then redis.call('HINCRBY', KEYS[3], '@', gone) end
return counted()
"""
)

# … connection, seat, connection, seat, …
_RESTORE = (
    NUMBERING
    + _COUNTED
    + """
if redis.call('HEXISTS', KEYS[3], '@') == 1 then return 0 end
for place = 5, #ARGV, 2 do redis.call('HSETNX', KEYS[3], ARGV[place], ARGV[place + 1]) end
for _, connection in ipairs(redis.call('HKEYS', KEYS[3])) do
  if redis.call('HGET', KEYS[3], connection) == '-' then redis.call('HDEL', KEYS[3], connection) end
end
redis.call('HSET', KEYS[3], '@', string.format('%.0f', clock()))
return counted()
"""
)

# ARGV: common (3), shards found
_KNOWN = """
local shards = math.max(tonumber(redis.call('HGET', KEYS[1], 'shards') or 0), tonumber(ARGV[4]))
redis.call('HSET', KEYS[1], 'shards', shards, 'seats_known', 1)
return redis.call('EXPIRE', KEYS[1], ARGV[1])
"""


class ChatSeats:
    """Every method raises DependencyUnavailable when the cache does not answer."""

    def __init__(self, cache_url: str) -> None:
        self._cache_url = cache_url

    def place(self, stream_id: StreamId) -> tuple[int, int]:
        """For somebody who is about to join: the number of the newest event, and the first shard that is not full.

        Nothing is reserved, so that many who come at once may make a shard a little larger than it should be.
        """
        seq, shard = run_script(self._cache_url, _PLACE, stream_id, (), (SHARD_CONNECTIONS,))
        return int(seq), int(shard)

    def seat(self, stream_id: StreamId, member: Membership) -> None:
        """From now on every round of its shard is also for this connection."""
        self._run(_SEAT, stream_id, member.shard, *_entry(member))

    def unseat(self, stream_id: StreamId, shard: int, *connection_ids: ConnectionId) -> None:
        self._run(_UNSEAT, stream_id, shard, *connection_ids)

    def restore(self, stream_id: StreamId, members: Iterable[Membership]) -> None:
        """`members`: all that the room has, read after the loss was noticed. Complete shards are left as they are."""
        shards: defaultdict[int, list[Membership]] = defaultdict(list)
        for member in members:
            shards[member.shard].append(member)
        count = max(1 + max(shards, default=0), self._shards(stream_id))  # also those that everybody has left
        for shard in range(count):
            self._run(_RESTORE, stream_id, shard, *chain.from_iterable(map(_entry, shards[shard])))
        run_script(self._cache_url, _KNOWN, stream_id, (), (count,))

    def _shards(self, stream_id: StreamId) -> int:
        with unavailable_when_failing():
            return int(cache_client(self._cache_url).hget(state_key(stream_id), "shards") or 0)

    def _run(self, script: str, stream_id: StreamId, shard: int, *arguments: str) -> None:
        run_script(self._cache_url, script, stream_id, (members_key(stream_id, shard),), (shard, *arguments))


def _entry(member: Membership) -> tuple[str, str]:
    return member.connection_id, f"{member.joined_seq} {int(member.moderates)}"


def read_seats(entries: list[str]) -> list[Seat]:
    """The hash as a script answers it: name, value, name, value, …"""
    seats = []
    for connection_id, value in zip(entries[::2], entries[1::2], strict=True):
        if connection_id != COMPLETE:
            joined_seq, moderates = value.split()
            seats.append(Seat(ConnectionId(connection_id), int(joined_seq), moderates == "1"))
    return seats

"""Stage 7 · when which events of a room go to which shard: the delivery's state, in the cache.

In `room:{id}:state`, for each shard: `delivered:<n>`, the newest event that was sent to all of it; `round:<n>`, when it was
last sent something; `hinted:<n>`, when it was last known that a hint of it is under way or being worked off; `takes:<n>`,
how often anybody looked; `told:<n>`, the last telling of figures it has had. For the room: `telling`, the number of the last
one, `told_at` and `told`.

A shard that is *hinted* needs no other hint: what is in the log now will be taken. The mark is set after a hint was sent, and
only if nobody has looked since, for a mark that came too late would silence the next message. Only a look that finds nothing
removes it, in the same step. What dies in between leaves a mark that is void after a few seconds, and its hint, which the
queue hands out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import msgspec

from headwater.adapters.chat_seats import read_seats
from headwater.adapters.room_scripts import NUMBERING, figures_key, members_key, read_events, run_script
from headwater.domain.chat_rounds import (
    FIGURES_MS,
    PACES_MS,
    SLOWEST_PACE_MS,
    Figures,
    Intent,
    Nothing,
    Position,
    Round,
    Seats,
    Shard,
    Taken,
    Unseated,
    Wait,
)
from headwater.domain.ids import StreamId

ROUND_EVENTS = 500
HINTED_MS = 10_000  # how long a mark that nobody renews is believed; above the longest time between two looks of a run
FRESH_MS = 10_000  # figures that are older interest nobody

# ARGV: common (3), the newest event that the hint is about (or empty), how long marks hold
_UNHINTED = (
    NUMBERING
    + """
local room = redis.call('HMGET', KEYS[1], 'shards', 'seats_known')
local found, void_before = {}, clock() - tonumber(ARGV[5])
for shard = 0, math.max(1, tonumber(room[1] or 1)) - 1 do
  local was = redis.call('HMGET', KEYS[1], 'hinted:' .. shard, 'takes:' .. shard, 'delivered:' .. shard, 'size:' .. shard)
  local has_it = ARGV[4] ~= '' and was[3] and tonumber(was[3]) >= tonumber(ARGV[4])
  local is_hinted = was[1] and tonumber(was[1]) > void_before
  local is_empty = room[2] and was[4] == '0'
  if not (has_it or is_hinted or is_empty) then
    found[#found + 1] = shard
    found[#found + 1] = was[2] or '0'
  end
end
return found
"""
)

# ARGV: common (3), shard, how often it was looked at before the hint was sent, shard, …
_MARK = (
    NUMBERING
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for place = 4, #ARGV, 2 do
  if (redis.call('HGET', KEYS[1], 'takes:' .. ARGV[place]) or '0') == ARGV[place + 1] then
    redis.call('HSET', KEYS[1], 'hinted:' .. ARGV[place], string.format('%.0f', clock()))
  end
end
return 0
"""
)

# KEYS: state, log, members, figures
# ARGV: common (3), shard, newest event that was sent (or empty), intent, seats that the caller has, events at most,
#       ms between figures, ms that they are fresh, newest event that was taken (or empty), slowest pace,
#       connections, pace, connections, pace, …
_TAKE = (
    NUMBERING
    + """
local now, shard, intent = clock(), ARGV[4], ARGV[6]
local seq = redis.call('HGET', KEYS[1], 'seq')
if not seq then return {'nothing'} end
local function own(name) return name .. ':' .. shard end
local function keep(...) return redis.call('HSET', KEYS[1], ...) end
local function past(time)  -- Redis's clock may have been another node's
  time = tonumber(time or 0)
  return time <= now and time or 0
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('HINCRBY', KEYS[1], own('takes'), 1)
local function nothing()
  if intent == 'stay' then keep(own('hinted'), string.format('%.0f', now)) else redis.call('HDEL', KEYS[1], own('hinted')) end
  return {'nothing'}
end

local room = redis.call('HMGET', KEYS[1], 'start', 'shards', 'seats_known', 'telling', 'told_at', 'told')
local was = redis.call('HMGET', KEYS[1], own('delivered'), own('round'), own('told'))
local cursor = was[1] or room[1] or seq
local sent = tonumber(ARGV[5])
if sent and sent > tonumber(cursor) and sent <= tonumber(seq) then  -- a late run does not touch numbers that began anew
  cursor = ARGV[5]
  keep(own('delivered'), cursor)
end
local taken = tonumber(ARGV[11])
if taken and taken > tonumber(cursor) and taken <= tonumber(seq) then cursor = ARGV[11] end
local seats = redis.call('HGET', KEYS[3], '@')
local seated = seats and room[3]
if room[3] and tonumber(shard) >= tonumber(room[2]) then return nothing() end  -- there was such a shard before a loss
if seated and redis.call('HLEN', KEYS[3]) == 1 then  -- nobody is here, and who comes is shown the log
  keep(own('delivered'), seq)
  return nothing()
end

local behind = tonumber(seq) > tonumber(cursor)
local telling = tonumber(room[4] or 0)
local untold = telling > tonumber(was[3] or 0) and now - past(room[5]) < tonumber(ARGV[10])
local collecting = redis.call('EXISTS', KEYS[4]) == 1
if not (behind or untold or collecting) then return nothing() end
keep(own('hinted'), string.format('%.0f', now))
if not seated then return {'unseated'} end

local connections, pace = 0, tonumber(ARGV[12])
for n = 0, tonumber(room[2]) - 1 do connections = connections + tonumber(redis.call('HGET', KEYS[1], 'size:' .. n) or 0) end
for place = #ARGV - 1, 13, -2 do
  if connections <= tonumber(ARGV[place]) then pace = tonumber(ARGV[place + 1]) end
end
local figures_at = past(room[5]) + math.max(pace, tonumber(ARGV[9]))
local at = past(was[2]) + pace
if not (behind or untold) then at = math.max(at, figures_at) end
if intent == 'rest' or now < at then return {'wait', string.format('%.0f', math.max(0, at - now))} end

local told = room[6]
if collecting and now >= figures_at then
  told, untold, telling = cjson.encode(redis.call('HGETALL', KEYS[4])), true, telling + 1
  redis.call('DEL', KEYS[4])
  keep('telling', telling, 'told', told, 'told_at', string.format('%.0f', now))
end
if untold then keep(own('told'), telling) end
keep(own('round'), string.format('%.0f', now))
local events = {}
if behind then
  events = redis.call('XRANGE', KEYS[2], '(' .. cursor .. '-0', '+', 'COUNT', ARGV[8])
  if #events == 0 then keep(own('delivered'), seq) end  -- the log is lost: clients notice the hole
end
return {'round', seats, seats ~= ARGV[7] and redis.call('HGETALL', KEYS[3]) or {}, events, untold and told or ''}
"""
)


class ChatRounds:
    """Every method raises DependencyUnavailable when the cache does not answer."""

    def __init__(self, cache_url: str, *, slowest_pace_ms: int = SLOWEST_PACE_MS, figures_ms: int = FIGURES_MS) -> None:
        """Tests, which have no time, may make it quicker."""
        self._cache_url = cache_url
        paces = chain.from_iterable((most, min(pace, slowest_pace_ms)) for most, pace in sorted(PACES_MS.items()))
        self._figures = (figures_ms, FRESH_MS)
        self._paces = (slowest_pace_ms, *paces)

    def unhinted(self, stream_id: StreamId, seq: int | None = None) -> dict[int, str]:
        """The shards of the room that need a hint of the event `seq`, or of figures, and how often each was looked at."""
        found = run_script(self._cache_url, _UNHINTED, stream_id, (), ("" if seq is None else seq, HINTED_MS))
        return {int(shard): takes for shard, takes in zip(found[::2], found[1::2], strict=True)}

    def mark_hinted(self, stream_id: StreamId, shards: Mapping[int, str]) -> None:
        """`shards` as they came from `unhinted`, before the hints were sent."""
        run_script(self._cache_url, _MARK, stream_id, (), tuple(chain.from_iterable(shards.items())))

    def take(self, shard: Shard, position: Position, intent: Intent, seats: Seats) -> Taken:
        """What is to be sent to this shard now. `seats`: as last taken.

        Only one run at a time takes from a shard. What was taken and not confirmed as sent is taken again by the next run,
        but for its figures.
        """
        keys = (members_key(shard.stream_id, shard.number), figures_key(shard.stream_id))
        sent, taken = ("" if each is None else each for each in (position.sent, position.taken))
        rules = (ROUND_EVENTS, *self._figures, taken, *self._paces)
        arguments = (shard.number, sent, intent.value, seats.version, *rules)
        kind, *found = run_script(self._cache_url, _TAKE, shard.stream_id, keys, arguments)
        match kind:
            case "wait":
                return Wait(int(found[0]) / 1000)
            case "nothing":
                return Nothing()
            case "unseated":
                return Unseated()
        version, entries, events, told = found
        if version != seats.version:
            seats = Seats(version, read_seats(entries))
        return Round(seats, read_events(events), _figures(told) if told else None)


def _figures(told: str) -> Figures:
    pairs = msgspec.json.decode(told, type=list[str])
    values = {name: int(value) for name, value in zip(pairs[::2], pairs[1::2], strict=True)}
    reactions = {name[1:]: value for name, value in values.items() if name.startswith("+")}
    return Figures(reactions, values.get("viewers"), values.get("waiting"))

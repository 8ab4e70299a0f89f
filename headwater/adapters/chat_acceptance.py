"""Stage 7 · the one step in which a message becomes part of a room: all that can refuse it, then its number.

One script, so that two messages at once cannot both be the last that a limit allows. A message that is held for review goes
through the same, but gets no number. The keys are those of chat_rooms.py; `room:{id}:said:<hash>` is there while a text may
not be said again.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from headwater.adapters.chat_standings import EVER
from headwater.adapters.room_scripts import LOG_SECONDS, NUMBERING, names_key, run_script, sent_key, standing_key
from headwater.domain.blocked_terms import folded
from headwater.domain.chat import (
    MESSAGE_BURST,
    MESSAGES_PER_MINUTE,
    ROOM_MESSAGE_BURST,
    ROOM_MESSAGES_PER_SECOND,
    Chatter,
    Room,
)
from headwater.domain.ids import MessageId, StreamId, UserId
from headwater.domain.moderation import UNIQUE_SECONDS, exemptions
from headwater.domain.server_frames import MessageEvent
from headwater.errors import Banned, NotUnique, RateLimited, SlowMode, TimedOut

NONCE_SECONDS = 600  # a client that got no ack tries again within seconds

# KEYS: state, log, nonce, user's bucket, standing, room's bucket, said, names
# ARGV: common (3), event, message id, seconds of the nonce, user's burst and tokens per ms, room's (burst 0: no limit),
#       whether bars bind, ms of slow mode, seconds of uniqueness (0: off), whether to hold it, name, who that is, seconds
_ACCEPT = (
    NUMBERING
    + """
local before = redis.call('GET', KEYS[3])
if before then
  local id, seq = string.match(before, '^(%S+) (%S+)$')
  return {'again', id, seq}
end
local now, slow, unique = clock(), tonumber(ARGV[12]), tonumber(ARGV[13])
local function number(value) return string.format('%.0f', math.ceil(value)) end
if ARGV[11] == '1' then
  local ends = redis.call('HGET', KEYS[5], 'until')
  if not ends then return {'unknown'} end
  if ends == 'ever' then return {'barred', ends} end
  if ends ~= '' and tonumber(ends) > now then return {'barred', number(tonumber(ends) - now)} end
end
local function level(key, burst, rate)
  local bucket = redis.call('HMGET', key, 'tokens', 'at')
  local at = tonumber(bucket[2]) or now
  return math.min(burst, (tonumber(bucket[1]) or burst) + math.max(0, now - at) * rate), bucket[2] and at
end
local function take(key, tokens, ms)
  redis.call('HSET', key, 'tokens', string.format('%.6f', tokens - 1), 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', key, number(ms))
end
local burst, rate = tonumber(ARGV[7]), tonumber(ARGV[8])
local tokens, spoke = level(KEYS[4], burst, rate)
if spoke and slow > 0 and now - spoke < slow then return {'slow', number(slow - math.max(0, now - spoke))} end
if unique > 0 and redis.call('EXISTS', KEYS[7]) == 1 then return {'repeated'} end
if tokens < 1 then return {'limited', number((1 - tokens) / rate)} end
local room_burst, room_rate = tonumber(ARGV[9]), tonumber(ARGV[10])
if room_burst > 0 then
  local left = level(KEYS[6], room_burst, room_rate)
  if left < 1 then return {'crowded', number((1 - left) / room_rate)} end
  take(KEYS[6], left, room_burst / room_rate)
end
take(KEYS[4], tokens, math.max(burst / rate, slow))
if unique > 0 then redis.call('SET', KEYS[7], '1', 'EX', ARGV[13]) end
redis.call('HSET', KEYS[8], ARGV[15], ARGV[16])
redis.call('EXPIRE', KEYS[8], ARGV[17])
local seq = ARGV[14] == '1' and '0' or append(ARGV[4])
redis.call('SET', KEYS[3], ARGV[5] .. ' ' .. seq, 'EX', ARGV[6])
return {'accepted', ARGV[5], seq}
"""
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message in the room's log; `seq` is None when it is held. `again`: it was accepted before, under the same nonce."""

    message_id: MessageId
    seq: int | None
    again: bool = False


@dataclass(frozen=True, slots=True)
class MessageRate:
    """At first `burst` messages, then `per_minute`."""

    burst: int
    per_minute: int

    @property
    def per_ms(self) -> float:
        return self.per_minute / 60_000


USUAL_RATE = MessageRate(MESSAGE_BURST, MESSAGES_PER_MINUTE)
USUAL_ROOM_RATE = MessageRate(ROOM_MESSAGE_BURST, ROOM_MESSAGES_PER_SECOND * 60)


class ChatAcceptance:
    def __init__(
        self, cache_url: str, rate: MessageRate = USUAL_RATE, room_rate: MessageRate = USUAL_ROOM_RATE
    ) -> None:
        """`rate`: of one user in one room; `room_rate`: of all in it, so that a raid does not drown who has to calm it."""
        self._cache_url = cache_url
        self._rate = rate
        self._room_rate = room_rate

    def accept(
        self,
        stream_id: StreamId,
        room: Room,
        chatter: Chatter,
        nonce: str,
        message: MessageEvent,
        *,
        held: bool = False,
    ) -> Accepted | None:
        """Number `message` and append it to the log, in one step; once, however often it is sent under one `nonce`.

        None: what the room knows of the user has been forgotten; ask for their standing, and again.
        Raises Banned, TimedOut, SlowMode, NotUnique, RateLimited, each with the seconds that are left, and
        DependencyUnavailable.
        """
        exempt, settings = exemptions(room, chatter), room.rules.settings
        is_unique = settings.unique and not exempt.from_all
        said = blake2b(folded(message.text).encode(), digest_size=16).hexdigest()
        answer = run_script(
            self._cache_url,
            _ACCEPT,
            stream_id,
            (
                sent_key(stream_id, chatter.user_id, nonce),
                f"rate:{{{stream_id}}}:chat:{chatter.user_id}",
                standing_key(stream_id, chatter.user_id),
                f"rate:{{{stream_id}}}:room",
                f"room:{{{stream_id}}}:said:{said}",
                names_key(stream_id),
            ),
            (
                msgspec.json.encode(message),
                message.id,
                NONCE_SECONDS,
                self._rate.burst,
                repr(self._rate.per_ms),
                0 if exempt.from_all else self._room_rate.burst,
                repr(self._room_rate.per_ms),
                0 if exempt.from_bars else 1,
                0 if exempt.from_modes else settings.slow_seconds * 1000,
                UNIQUE_SECONDS if is_unique else 0,
                int(held),
                chatter.username.lower(),
                f"{chatter.user_id} {chatter.username} {int(chatter.moderates_the_site)}",
                LOG_SECONDS,
            ),
        )
        return _outcome(*answer)

    def accepted_before(self, stream_id: StreamId, user_id: UserId, nonce: str) -> bool:
        """Whether a message was accepted under this nonce, whatever may be said by now."""
        return bool(run_script(self._cache_url, _IS_KNOWN, stream_id, (sent_key(stream_id, user_id, nonce),)))


_IS_KNOWN = "return redis.call('EXISTS', KEYS[3])"


def _outcome(kind: str, what: str = "", seq: str = "") -> Accepted | None:
    match kind:
        case "unknown":
            return None
        case "barred" if what == EVER:
            raise Banned
        case "barred":
            raise TimedOut(retry_after_seconds=_seconds(what))
        case "slow":
            raise SlowMode(retry_after_seconds=_seconds(what))
        case "repeated":
            raise NotUnique
        case "limited":
            raise RateLimited("You are sending messages too quickly.", retry_after_seconds=_seconds(what))
        case "crowded":
            raise RateLimited("The room is too busy. Try again in a moment.", retry_after_seconds=_seconds(what))
    return Accepted(MessageId(what), int(seq) or None, again=kind == "again")


def _seconds(milliseconds: str) -> int:
    return max(1, -(-int(milliseconds) // 1000))

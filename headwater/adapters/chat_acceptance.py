"""Stage 7 · the one step in which a message becomes part of a room: all that can refuse it, then its number.

One script, so that two messages at once cannot both be the last that a limit allows. The keys are those of chat_rooms.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from headwater.adapters.room_scripts import NUMBERING, run_script
from headwater.domain.chat import MESSAGE_BURST, MESSAGES_PER_MINUTE
from headwater.domain.ids import MessageId, StreamId, UserId
from headwater.domain.server_frames import MessageEvent
from headwater.errors import RateLimited

NONCE_SECONDS = 600  # a client that got no ack tries again within seconds

# KEYS: state, log, nonce, bucket · ARGV: common (3), event, message id, burst, tokens per ms, seconds of the nonce
_ACCEPT = (
    NUMBERING
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


class ChatAcceptance:
    def __init__(self, cache_url: str, rate: MessageRate = USUAL_RATE) -> None:
        self._cache_url = cache_url
        self._rate = rate

    def accept(self, stream_id: StreamId, user_id: UserId, nonce: str, message: MessageEvent) -> Accepted:
        """Number `message` and append it to the log, in one step; once, however often it is sent under one `nonce`.

        Raises RateLimited with the seconds until the user may speak again.
        """
        keys = (f"room:{{{stream_id}}}:sent:{user_id}:{nonce}", f"rate:{{{stream_id}}}:chat:{user_id}")
        rate_per_ms = self._rate.per_minute / 60_000
        answer = run_script(
            self._cache_url,
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

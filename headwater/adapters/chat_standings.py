"""Stage 7 · what a room knows of one user: bans and timeouts in DynamoDB, which lasts, and a copy in the cache, which is quick.

`room:{id}:standing:<user>`, a hash: `until`, when the user may speak again (Unix ms; `ever` for never, empty for now), and
`since`, from when on they follow the owner (empty: they do not). It is read from DynamoDB when it is missing, and kept for a
minute; for seconds where they do not follow. `standings` in `room:{id}:state` is a number that every ban and every lifting
of one changes, in the step in which it deletes the copy (chat_moderations.py): who has read DynamoDB before that does not
store what it read (decision 0021).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from headwater.adapters.dynamodb_tables import unavailable_when_failing
from headwater.adapters.room_items import RoomItem, followers_of, room_items
from headwater.adapters.room_scripts import NUMBERING, run_script, standing_key
from headwater.domain.ids import StreamId, UserId
from headwater.domain.moderation import Sanction, Standing
from headwater.errors import DependencyUnavailable

STANDING_SECONDS = 60
STRANGER_SECONDS = 10  # of who does not follow: they may do so this moment, because only followers may chat
EVER = "ever"

_EXPIRY_SLACK_SECONDS = 3600
_OF_USER = "user:"
_RECALLS = 3

# KEYS: state, log, standing · what is known, or the number under which it may be stored
_RECALL = (
    NUMBERING
    + """
local known = redis.call('HMGET', KEYS[3], 'until', 'since')
if known[1] then return known end
newest()
redis.call('HSETNX', KEYS[1], 'standings', string.format('%.0f', clock()))
return {redis.call('HGET', KEYS[1], 'standings')}
"""
)

# ARGV: common (3), that number, until, since, seconds · whether it was stored
_REMEMBER = """
if redis.call('HGET', KEYS[1], 'standings') ~= ARGV[4] then return 0 end
redis.call('HSET', KEYS[3], 'until', ARGV[5], 'since', ARGV[6])
return redis.call('EXPIRE', KEYS[3], ARGV[7])
"""


class _Following(msgspec.Struct):
    since_ms: int


class ChatStandings:
    """Every method raises DependencyUnavailable when DynamoDB or the cache does not answer."""

    def __init__(self, cache_url: str, table_name: str) -> None:
        self._cache_url = cache_url
        self._table_name = table_name

    @property
    def _items(self) -> type[RoomItem]:
        return room_items(self._table_name)

    def of(self, stream_id: StreamId, owner_id: UserId, user_id: UserId) -> Standing:
        keys = (standing_key(stream_id, user_id),)
        for _ in range(_RECALLS):
            known = run_script(self._cache_url, _RECALL, stream_id, keys)
            if len(known) == 2:
                return _standing(*known)
            until, since = self._read(stream_id, owner_id, user_id)
            arguments = (known[0], until, since, STANDING_SECONDS if since else STRANGER_SECONDS)
            if run_script(self._cache_url, _REMEMBER, stream_id, keys, arguments):
                return _standing(until, since)
        raise DependencyUnavailable("The room is being moderated too quickly. Try again.")

    def sanction(self, stream_id: StreamId, user_id: UserId) -> Sanction | None:
        """Also one that is over, until it is cleared away."""
        with unavailable_when_failing():
            found = self._items.batch_get([(stream_id, _OF_USER + user_id)], consistent_read=True)
            return next((_decode(item) for item in found), None)

    def sanctions(self, stream_id: StreamId, after: UserId | None = None) -> Iterator[Sanction]:
        """Of a room, in the order of the users' ids; also those that are over, until they are cleared away."""
        condition: Any = RoomItem.item.startswith(_OF_USER)
        if after is not None:
            condition = RoomItem.item.between(f"{_OF_USER}{after}\0", f"{_OF_USER}~")
        with unavailable_when_failing():
            for item in self._items.query(stream_id, condition, consistent_read=True):
                yield _decode(item)

    def put(self, stream_id: StreamId, sanction: Sanction) -> None:
        """It is known from now on, but takes effect when the cache forgets the copy: chat_moderations.py sees to that."""
        item = self._items(stream_id, _OF_USER + sanction.user_id, body=msgspec.json.encode(sanction).decode())
        if sanction.until_ms is not None:
            item.expires_at = sanction.until_ms // 1000 + _EXPIRY_SLACK_SECONDS
        with unavailable_when_failing():
            item.save()

    def remove(self, stream_id: StreamId, user_id: UserId) -> None:
        with unavailable_when_failing():
            self._items(stream_id, _OF_USER + user_id).delete()

    def _read(self, stream_id: StreamId, owner_id: UserId, user_id: UserId) -> tuple[str, str]:
        until = since = ""
        wanted: Sequence[tuple[str, str]] = [(stream_id, _OF_USER + user_id), (followers_of(owner_id), user_id)]
        with unavailable_when_failing():
            for item in self._items.batch_get(wanted, consistent_read=True):
                if item.room == stream_id:
                    sanction = _decode(item)
                    until = EVER if sanction.until_ms is None else str(sanction.until_ms)
                else:
                    since = str(msgspec.json.decode(item.body, type=_Following).since_ms)
        return until, since


def _decode(item: RoomItem) -> Sanction:
    return msgspec.json.decode(item.body, type=Sanction)


def _standing(until: str, since: str) -> Standing:
    return Standing(
        banned=until == EVER,
        timed_out_until_ms=int(until) if until not in ("", EVER) else None,
        follows_since_ms=int(since) if since else None,
    )

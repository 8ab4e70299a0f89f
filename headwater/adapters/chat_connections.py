"""Stage 7 · who is connected, and who is in which room: DynamoDB, one item per connection and room.

A connection's own item, written at `$connect`, has `@<connection id>` in place of a stream id (`@` is in no id), so that
no partition holds all connections. One of somebody who is signed in has another, under `@of:<user id>`, so that the end of
a session finds its sockets. Items of sockets that went without a word are deleted at the first 410, or expire.

This is what counts. Who delivers reads a copy of it in the cache, by shard (chat_seats.py).
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.exceptions import DoesNotExist
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from headwater.adapters.chat_seats import ChatSeats
from headwater.adapters.dynamodb_tables import Patience, ready, unavailable_when_failing
from headwater.domain.chat import CONNECTION_SECONDS, Chatter, Membership
from headwater.domain.ids import ConnectionId, StreamId, UserId
from headwater.errors import DependencyUnavailable

EXPIRY_SLACK_SECONDS = 600
_OF_USER = "@of:"
_KEYS = ("stream_id", "connection_id")


class ByConnection(GlobalSecondaryIndex["ConnectionItem"]):  # type: ignore[no-untyped-call] # PynamoDB's own gap
    class Meta:
        index_name = "by_connection"
        projection = KeysOnlyProjection()

    connection_id = UnicodeAttribute(hash_key=True)
    stream_id = UnicodeAttribute(range_key=True)


class ConnectionItem(Model):
    stream_id = UnicodeAttribute(hash_key=True)
    connection_id = UnicodeAttribute(range_key=True)
    user_id = UnicodeAttribute(null=True)
    username = UnicodeAttribute(null=True)
    roles = UnicodeSetAttribute(null=True)
    verified = BooleanAttribute(null=True)
    registered_at = NumberAttribute(null=True)  # Unix ms
    joined_seq = NumberAttribute(null=True)
    moderates = BooleanAttribute(null=True)
    shard = NumberAttribute(null=True)
    session_id = UnicodeAttribute(null=True)  # of the sign-in that opened it; under `@of:` only
    expires_at = NumberAttribute()  # Unix seconds; DynamoDB's TTL
    by_connection = ByConnection()


@functools.cache
def connection_items(name: str) -> type[ConnectionItem]:
    class Bound(ConnectionItem):
        class Meta(Patience):
            table_name = name

    return ready(Bound)


class ChatConnections:
    """Every method raises DependencyUnavailable when DynamoDB fails, and when the cache does where it says so."""

    def __init__(self, table_name: str, seats: ChatSeats) -> None:
        self._table_name = table_name
        self._seats = seats

    @property
    def _items(self) -> type[ConnectionItem]:
        return connection_items(self._table_name)

    def open(self, connection_id: ConnectionId, chatter: Chatter | None, session_id: str | None = None) -> None:
        """A new socket. `chatter` is None for one that may only read; `session_id` is the sign-in that it came by."""
        with unavailable_when_failing():
            if chatter is not None and session_id is not None:
                item = self._item(_of_user(chatter.user_id), connection_id, None)
                item.session_id = session_id
                item.save()
            self._item(_own(connection_id), connection_id, chatter).save()

    def of_user(self, user_id: UserId) -> Sequence[tuple[ConnectionId, str | None]]:
        """The user's sockets, each with the sign-in that opened it, as of the last write that was acknowledged."""
        with unavailable_when_failing():
            found = self._items.query(_of_user(user_id), consistent_read=True)
            return [(ConnectionId(item.connection_id), item.session_id) for item in found]

    def chatter(self, connection_id: ConnectionId) -> Chatter | None:
        """Who opened this socket; None when it may only read. A socket that we do not know may only read."""
        item = self._get(_own(connection_id), connection_id)
        return _chatter(item) if item else None

    def join(
        self, stream_id: StreamId, connection_id: ConnectionId, chatter: Chatter | None, *, moderates: bool
    ) -> None:
        """From now on it is among `members`, and every event that gets a number is sent to it. Also raises for the cache.

        Who joins again stays in the shard where it was.
        """
        newest, shard = self._seats.place(stream_id)
        item = self._item(stream_id, connection_id, chatter)
        item.joined_seq = newest
        item.moderates = moderates
        fields = {
            name: value for name, value in item.attribute_values.items() if name not in _KEYS and value is not None
        }
        actions = [getattr(ConnectionItem, name).set(value) for name, value in fields.items()]
        with unavailable_when_failing():
            item.update(actions=[*actions, ConnectionItem.shard.set(ConnectionItem.shard | shard)])  # and read back
        self._seats.seat(stream_id, _membership(item))

    def member(self, stream_id: StreamId, connection_id: ConnectionId) -> Membership | None:
        item = self._get(stream_id, connection_id)
        return _membership(item) if item else None

    def members(self, stream_id: StreamId) -> Iterator[Membership]:
        """Everyone in the room, as of the last write that was acknowledged (a strongly consistent read)."""
        with unavailable_when_failing():
            for item in self._items.query(stream_id, consistent_read=True):
                yield _membership(item)

    def restore_seats(self, stream_id: StreamId) -> None:
        """The cache has lost who sits where. Also raises for the cache."""
        self._seats.restore(stream_id, self.members(stream_id))

    def leave(self, stream_id: StreamId, connection_id: ConnectionId, shard: int | None = None) -> None:
        """Out of the room, whether it was in or not; whoever knows its `shard` spares a read. Also raises for the cache."""
        if shard is None:
            member = self.member(stream_id, connection_id)
            if member is None:
                return
            shard = member.shard
        with unavailable_when_failing():
            self._items(stream_id, connection_id).delete()
        self._seats.unseat(stream_id, shard, connection_id)

    def expel(self, stream_id: StreamId, members: Sequence[Membership]) -> None:
        """All of them out of this room. Also raises for the cache."""
        with unavailable_when_failing(), self._items.batch_write() as batch:
            for member in members:
                batch.delete(self._items(stream_id, member.connection_id))
        shards: defaultdict[int, list[ConnectionId]] = defaultdict(list)
        for member in members:
            shards[member.shard].append(member.connection_id)
        for shard, leaving in shards.items():  # as many as a shard holds in one step: each waits for an answer
            self._seats.unseat(stream_id, shard, *leaving)

    def close(self, connection_id: ConnectionId) -> None:
        """Out of every room. The index lags a moment; what it does not show yet, the first 410 or the expiry removes."""
        self._remove(connection_id, of_user_too=True)

    def cut_off(self, connection_id: ConnectionId) -> None:
        """Out of every room, and a stranger from now on. `of_user` goes on finding it, until it is closed."""
        self._remove(connection_id, of_user_too=False)

    def _remove(self, connection_id: ConnectionId, *, of_user_too: bool) -> None:
        with unavailable_when_failing():
            self._items(_own(connection_id), connection_id).delete()
            found = [item.stream_id for item in self._items.by_connection.query(connection_id)]
            rooms = [StreamId(stream_id) for stream_id in found if not stream_id.startswith(_OF_USER)]
            seats = {room: member.shard for room in rooms if (member := self.member(room, connection_id))}
            for stream_id in found if of_user_too else rooms:
                self._items(stream_id, connection_id).delete()
        for room, shard in seats.items():
            with contextlib.suppress(DependencyUnavailable):  # then the first 410 removes it there
                self._seats.unseat(room, shard, connection_id)

    def _get(self, stream_id: str, connection_id: ConnectionId) -> ConnectionItem | None:
        with unavailable_when_failing():
            try:
                return self._items.get(stream_id, connection_id, consistent_read=True)
            except DoesNotExist:
                return None

    def _item(self, stream_id: str, connection_id: ConnectionId, chatter: Chatter | None) -> ConnectionItem:
        item = self._items(stream_id, connection_id)
        item.expires_at = _expiry()
        if chatter is not None:
            item.user_id = chatter.user_id
            item.username = chatter.username
            item.roles = set(chatter.roles) or None
            item.verified = chatter.verified
            item.registered_at = chatter.registered_at
        return item


def _expiry() -> int:
    return int(time.time()) + CONNECTION_SECONDS + EXPIRY_SLACK_SECONDS


def _own(connection_id: ConnectionId) -> str:
    return f"@{connection_id}"


def _of_user(user_id: UserId) -> str:
    return _OF_USER + user_id


def _chatter(item: ConnectionItem) -> Chatter | None:
    if item.user_id is None or item.username is None:
        return None
    return Chatter(
        UserId(item.user_id),
        item.username,
        tuple(sorted(item.roles or ())),
        verified=bool(item.verified),
        registered_at=int(item.registered_at or 0),
    )


def _membership(item: ConnectionItem) -> Membership:
    return Membership(
        connection_id=ConnectionId(item.connection_id),
        chatter=_chatter(item),
        joined_seq=int(item.joined_seq or 0),
        moderates=bool(item.moderates),
        shard=int(item.shard or 0),
    )

"""Stage 7 · who is connected, and who is in which room: DynamoDB, one item per connection and room.

A connection's own item, written at `$connect`, has `@<connection id>` in place of a stream id (`@` is in no id), so that
no partition holds all connections. One of somebody who is signed in has another, under `@of:<user id>`, so that the end of
a session finds its sockets. Items of sockets that went without a word are deleted at the first 410, or expire.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence

from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.exceptions import DoesNotExist
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from headwater.adapters.dynamodb_tables import Patience, ready, unavailable_when_failing
from headwater.domain.chat import CONNECTION_SECONDS, Chatter, Membership
from headwater.domain.ids import ConnectionId, StreamId, UserId

EXPIRY_SLACK_SECONDS = 600
_OF_USER = "@of:"


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
    joined_seq = NumberAttribute(null=True)
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
    """Every method raises DependencyUnavailable when DynamoDB fails."""

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name

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

    def join(self, stream_id: StreamId, member: Membership) -> None:
        """From now on, `members` includes it."""
        item = self._item(stream_id, member.connection_id, member.chatter)
        item.joined_seq = member.joined_seq
        with unavailable_when_failing():
            item.save()

    def member(self, stream_id: StreamId, connection_id: ConnectionId) -> Membership | None:
        item = self._get(stream_id, connection_id)
        return _membership(item) if item else None

    def members(self, stream_id: StreamId) -> Iterator[Membership]:
        """Everyone in the room, as of the last write that was acknowledged (a strongly consistent read)."""
        with unavailable_when_failing():
            for item in self._items.query(stream_id, consistent_read=True):
                yield _membership(item)

    def leave(self, stream_id: StreamId, connection_id: ConnectionId) -> None:
        """Out of the room, whether it was in or not."""
        with unavailable_when_failing():
            self._items(stream_id, connection_id).delete()

    def close(self, connection_id: ConnectionId) -> None:
        """Out of every room. The index lags a moment; what it does not show yet, the first 410 or the expiry removes."""
        self._remove(connection_id, of_user_too=True)

    def cut_off(self, connection_id: ConnectionId) -> None:
        """Out of every room, and a stranger from now on. `of_user` goes on finding it, until it is closed."""
        self._remove(connection_id, of_user_too=False)

    def _remove(self, connection_id: ConnectionId, *, of_user_too: bool) -> None:
        with unavailable_when_failing():
            self._items(_own(connection_id), connection_id).delete()
            for stream_id in [item.stream_id for item in self._items.by_connection.query(connection_id)]:
                if of_user_too or not stream_id.startswith(_OF_USER):
                    self._items(stream_id, connection_id).delete()

    def _get(self, stream_id: str, connection_id: ConnectionId) -> ConnectionItem | None:
        with unavailable_when_failing():
            try:
                return self._items.get(stream_id, connection_id, consistent_read=True)
            except DoesNotExist:
                return None

    def _item(self, stream_id: str, connection_id: ConnectionId, chatter: Chatter | None) -> ConnectionItem:
        item = self._items(stream_id, connection_id)
        item.expires_at = int(time.time()) + CONNECTION_SECONDS + EXPIRY_SLACK_SECONDS
        if chatter is not None:
            item.user_id = chatter.user_id
            item.username = chatter.username
            item.roles = set(chatter.roles) or None
        return item


def _own(connection_id: ConnectionId) -> str:
    return f"@{connection_id}"


def _of_user(user_id: UserId) -> str:
    return _OF_USER + user_id


def _chatter(item: ConnectionItem) -> Chatter | None:
    if item.user_id is None or item.username is None:
        return None
    return Chatter(UserId(item.user_id), item.username, tuple(sorted(item.roles or ())))


def _membership(item: ConnectionItem) -> Membership:
    return Membership(
        connection_id=ConnectionId(item.connection_id),
        chatter=_chatter(item),
        joined_seq=int(item.joined_seq or 0),
    )

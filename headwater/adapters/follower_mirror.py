"""Stage 7 · who follows the owner of a room, and since when, in DynamoDB: a copy of PostgreSQL's `follows`, for chat must not
wait for a database that may be asleep. functions/account_data keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headwater.adapters.dynamodb_tables import unavailable_when_failing
from headwater.adapters.room_items import RoomItem, followers_of, room_items
from headwater.domain.ids import UserId


class FollowerMirror:
    """Every method raises DependencyUnavailable when DynamoDB fails."""

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name

    @property
    def _items(self) -> type[RoomItem]:
        return room_items(self._table_name)

    def put(self, followee: UserId, follower: UserId, since_ms: int) -> None:
        body = msgspec.json.encode({"since_ms": since_ms}).decode()
        with unavailable_when_failing():
            self._items(followers_of(followee), follower, body=body).save()

    def remove(self, followees: Sequence[UserId], follower: UserId) -> None:
        """Whether they were there or not."""
        with unavailable_when_failing(), self._items.batch_write() as batch:
            for followee in followees:
                batch.delete(self._items(followers_of(followee), follower))

    def remove_all(self, followee: UserId) -> None:
        with unavailable_when_failing(), self._items.batch_write() as batch:
            for item in self._items.query(followers_of(followee), attributes_to_get=["room", "item"]):
                batch.delete(item)

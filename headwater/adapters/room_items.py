"""Stage 7 · what a room must not forget, in DynamoDB: one item per thing, in the partition of its room.

| `room` | `item` | body (JSON) |
|---|---|---|
| a stream's id | `@settings` | how the room is set, and its blocked terms |
| a stream's id | `user:<user id>` | a ban or a timeout |
| a stream's id | `held:<message id>` | a message that waits for a moderator |
| a stream's id | `emote:<name>` | an emote of the stream's own |
| `@followers:<owner id>` | a follower's id | since when |

Each kind of item has an adapter of its own; the cache only remembers what it read here, and may forget it.
"""

from __future__ import annotations

import functools

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from headwater.adapters.dynamodb_tables import Patience, ready, unavailable_when_failing
from headwater.domain.ids import StreamId, UserId


class RoomItem(Model):
    room = UnicodeAttribute(hash_key=True)
    item = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()
    expires_at = NumberAttribute(null=True)  # Unix seconds; DynamoDB's TTL, which may be two days late


@functools.cache
def room_items(name: str) -> type[RoomItem]:
    class Bound(RoomItem):
        class Meta(Patience):
            table_name = name

    return ready(Bound)


def followers_of(owner_id: UserId) -> str:
    """The partition in which each follower has an item, named by their id, with the body `{"since_ms"}`."""
    return f"@followers:{owner_id}"


class RoomPartitions:
    def __init__(self, table_name: str) -> None:
        self._table_name = table_name

    def forget(self, stream_id: StreamId) -> None:
        """All of a room whose stream is gone. Raises DependencyUnavailable when DynamoDB fails."""
        items = room_items(self._table_name)
        with unavailable_when_failing(), items.batch_write() as batch:
            for item in items.query(stream_id, attributes_to_get=["room", "item"]):
                batch.delete(item)

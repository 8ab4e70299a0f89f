"""Stage 7 · messages that wait for a moderator, in DynamoDB: a day long, with what was decided."""

from __future__ import annotations

import time
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec
from pynamodb.exceptions import DoesNotExist, PutError

from headwater.adapters.dynamodb_tables import CONDITION_FAILED, refusal_code, unavailable_when_failing
from headwater.adapters.room_items import RoomItem, room_items
from headwater.contracts import ChatMessageArchived
from headwater.domain.ids import MessageId, StreamId, UserId
from headwater.domain.server_frames import MessageEvent

HELD_SECONDS = 24 * 3600
WAITING_COUNTED = 100  # more than anybody can look at are told as so many
_HELD = "held:"


class HeldState(StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody decided about a held message, as the log knows it; `undoes`: the entry of an earlier decision."""

    entry_id: str
    by: UserId
    at_ms: int
    undoes: str | None = None


class HeldMessage(msgspec.Struct, frozen=True, kw_only=True):
    """`message` as everybody would get it, and `archived` as it would be kept."""

    message: MessageEvent
    archived: ChatMessageArchived
    state: HeldState = HeldState.WAITING
    decision: Decision | None = None  # the last one
    seq: int | None = None  # since it was approved


class HeldMessages:
    """Every method raises DependencyUnavailable when DynamoDB does not answer."""

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name

    @property
    def _items(self) -> type[RoomItem]:
        return room_items(self._table_name)

    def add(self, stream_id: StreamId, held: HeldMessage) -> None:
        """One that is there already stays as it is: it may have been decided on meanwhile."""
        self._put(stream_id, held, RoomItem.item.does_not_exist())

    def decide(self, stream_id: StreamId, held: HeldMessage, decided: HeldMessage) -> bool:
        """Put `decided` in the place of `held`; False when that is no longer there, for somebody else has decided."""
        return self._put(stream_id, decided, RoomItem.body == _encode(held))

    def get(self, stream_id: StreamId, message_id: MessageId) -> HeldMessage | None:
        with unavailable_when_failing():
            try:
                item = self._items.get(stream_id, _HELD + message_id, consistent_read=True)
            except DoesNotExist:
                return None
        return None if _is_over(item) else _decode(item)

    def of_room(self, stream_id: StreamId, after: MessageId | None = None) -> Iterator[HeldMessage]:
        """In the order in which they were said, decided or not."""
        condition: Any = RoomItem.item.startswith(_HELD)
        if after is not None:
            condition = RoomItem.item.between(f"{_HELD}{after}\0", f"{_HELD}~")
        with unavailable_when_failing():
            for item in self._items.query(stream_id, condition, consistent_read=True):
                if not _is_over(item):
                    yield _decode(item)

    def waiting(self, stream_id: StreamId) -> int:
        """How many wait; at most WAITING_COUNTED."""
        count = 0
        for held in self.of_room(stream_id):
            count += held.state is HeldState.WAITING
            if count == WAITING_COUNTED:
                break
        return count

    def _put(self, stream_id: StreamId, held: HeldMessage, condition: Any) -> bool:
        item = self._items(stream_id, _HELD + held.message.id, body=_encode(held))
        item.expires_at = held.archived.created_at // 1000 + HELD_SECONDS
        with unavailable_when_failing():
            try:
                item.save(condition=condition)
            except PutError as error:
                if refusal_code(error) != CONDITION_FAILED:
                    raise
                return False
        return True


def _is_over(item: RoomItem) -> bool:
    return item.expires_at is not None and item.expires_at <= time.time()


def _encode(held: HeldMessage) -> str:
    return msgspec.json.encode(held).decode()


def _decode(item: RoomItem) -> HeldMessage:
    return msgspec.json.decode(item.body, type=HeldMessage)

"""Stage 7 · how rooms are set, in DynamoDB: one item each, which is there when somebody has set something."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from pynamodb.exceptions import DoesNotExist, PutError

from headwater.adapters.dynamodb_tables import CONDITION_FAILED, refusal_code, unavailable_when_failing
from headwater.adapters.room_items import RoomItem, room_items
from headwater.domain.ids import StreamId
from headwater.domain.room_settings import USUAL_RULES, RoomRules
from headwater.errors import StateContended

_SETTINGS = "@settings"
_ATTEMPTS = 5


class RoomRulesStore:
    """Every method raises DependencyUnavailable when DynamoDB does not answer."""

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name

    @property
    def _items(self) -> type[RoomItem]:
        return room_items(self._table_name)

    def load(self, stream_id: StreamId) -> RoomRules:
        item = self._load(stream_id)
        return USUAL_RULES if item is None else msgspec.json.decode(item.body, type=RoomRules)

    def change(self, stream_id: StreamId, edit: Callable[[RoomRules], RoomRules]) -> tuple[RoomRules, RoomRules]:
        """How the room was set, and how it is from now on. `edit` may be called again when somebody else was quicker.

        Raises StateContended when somebody always is.
        """
        for _ in range(_ATTEMPTS):
            item = self._load(stream_id)
            before = USUAL_RULES if item is None else msgspec.json.decode(item.body, type=RoomRules)
            after = edit(before)
            if after == before:
                return before, after
            condition = RoomItem.item.does_not_exist() if item is None else RoomItem.body == item.body
            with unavailable_when_failing():
                try:
                    self._items(stream_id, _SETTINGS, body=msgspec.json.encode(after).decode()).save(
                        condition=condition
                    )
                except PutError as error:
                    if refusal_code(error) != CONDITION_FAILED:
                        raise
                    continue
            return before, after
        raise StateContended

    def _load(self, stream_id: StreamId) -> RoomItem | None:
        with unavailable_when_failing():
            try:
                return self._items.get(stream_id, _SETTINGS, consistent_read=True)
            except DoesNotExist:
                return None

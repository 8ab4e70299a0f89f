"""Stage 2 · the slots of owners' broadcasts in DynamoDB: one item per owner, in the table of the streams' hot state."""

from __future__ import annotations

import msgspec
from pynamodb.exceptions import DoesNotExist, PutError

from headwater.adapters.dynamodb_tables import (
    CONDITION_FAILED,
    OwnerItem,
    owner_items,
    refusal_code,
    unavailable_when_failing,
)
from headwater.domain.concurrent_broadcasts import Slots
from headwater.domain.ids import StreamId, UserId

_decoder = msgspec.json.Decoder(dict[StreamId, int])


class OwnerSlots:
    """Every method raises DependencyUnavailable when DynamoDB fails."""

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name

    @property
    def _items(self) -> type[OwnerItem]:
        return owner_items(self._table_name)

    def load(self, owner_id: UserId) -> tuple[Slots, int]:
        """The slots as of the last write, and their version; none at version 0 when nothing was ever written."""
        with unavailable_when_failing():
            try:
                item = self._items.get(_key(owner_id), consistent_read=True)
            except DoesNotExist:
                return {}, 0
        return _decoder.decode(item.slots), int(item.version)

    def commit(self, owner_id: UserId, slots: Slots, expected_version: int) -> bool:
        """Replace the slots of `expected_version`; False when somebody else was quicker."""
        stored = msgspec.json.encode(slots).decode()
        written = self._items(stream_id=_key(owner_id), slots=stored, version=expected_version + 1)
        absent = OwnerItem.stream_id.does_not_exist()
        with unavailable_when_failing():
            try:
                written.save(condition=OwnerItem.version == expected_version if expected_version else absent)
            except PutError as error:
                if refusal_code(error) != CONDITION_FAILED:
                    raise
                return False
        return True


def _key(owner_id: UserId) -> str:
    return f"@owner {owner_id}"

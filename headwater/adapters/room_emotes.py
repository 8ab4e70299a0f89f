"""Stage 7 · the emotes of a stream's own, in DynamoDB: asked for, ready or failed. What is said in a room is read by them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import msgspec
from pynamodb.exceptions import PutError

from headwater.adapters.dynamodb_tables import CONDITION_FAILED, refusal_code, unavailable_when_failing
from headwater.adapters.room_items import RoomItem, room_items
from headwater.domain.emotes import Emote, EmoteState
from headwater.domain.ids import StreamId

KEPT_SECONDS = 10.0  # how long a process takes a room's emotes for what they were
UNUSED_SECONDS = 24 * 3600  # after which an upload that came to nothing is forgotten
_KEPT_ROOMS = 10_000
_KIND = "emote:"


class RoomEmotes:
    """Every method raises DependencyUnavailable when DynamoDB fails."""

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name
        self._kept: dict[StreamId, tuple[float, Mapping[str, str]]] = {}

    @property
    def _items(self) -> type[RoomItem]:
        return room_items(self._table_name)

    def of_stream(self, stream_id: StreamId) -> Sequence[Emote]:
        """By name, as of the last write that was acknowledged."""
        with unavailable_when_failing():
            found = self._items.query(stream_id, self._items.item.startswith(_KIND), consistent_read=True)
            return [_emote(item) for item in found]

    def own(self, stream_id: StreamId) -> Mapping[str, str]:
        """The ids of those that are ready, by name; up to KEPT_SECONDS old."""
        now = time.monotonic()
        kept = self._kept.get(stream_id)
        if kept is None or now - kept[0] >= KEPT_SECONDS:
            if len(self._kept) >= _KEPT_ROOMS:
                self._kept.clear()
            ready = (each for each in self.of_stream(stream_id) if each.state is EmoteState.READY)
            kept = self._kept[stream_id] = (now, {each.name: each.emote_id for each in ready})
        return kept[1]

    def put(self, stream_id: StreamId, emote: Emote, before: Emote | None) -> bool:
        """Whether `emote` is now what its name stands for: only if that was `before` until now, or with None nothing."""
        item = self._items(stream_id, _KIND + emote.name, body=_body(emote))
        if emote.state is not EmoteState.READY:
            item.expires_at = emote.created_at_ms // 1000 + UNUSED_SECONDS
        unchanged = self._items.item.does_not_exist() if before is None else self._items.body == _body(before)
        with unavailable_when_failing():
            try:
                item.save(condition=unchanged)
            except PutError as error:
                if refusal_code(error) != CONDITION_FAILED:
                    raise
                return False
        return True

    def remove(self, stream_id: StreamId, name: str) -> None:
        """Whether it was there or not."""
        with unavailable_when_failing():
            self._items(stream_id, _KIND + name).delete()


def _body(emote: Emote) -> str:
    return msgspec.json.encode(emote).decode()


def _emote(item: RoomItem) -> Emote:
    return msgspec.json.decode(item.body, type=Emote)

"""Stage 7 · joins the delivery of rooms to the cache, DynamoDB and `@connections`, at the first call."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable

from functions.chat_delivery.deliver_room import DeliverRoom
from functions.chat_delivery.settings import ChatDeliverySettings
from headwater.adapters.chat_connections import ChatConnections
from headwater.adapters.chat_rooms import ChatRooms
from headwater.adapters.connection_posts import PostingLoop
from headwater.domain.ids import StreamId
from headwater.settings import load_settings


class Wiring:
    def __init__(self, settings: ChatDeliverySettings) -> None:
        self._loop = PostingLoop(settings.chat_callback_url)
        self._deliver_room = DeliverRoom(
            ChatRooms(settings.cache_url), ChatConnections(settings.connection_table), self._loop.posts
        )

    def deliver(self, rooms: Iterable[StreamId]) -> dict[StreamId, BaseException]:
        """Every room at the same time; those whose delivery failed, with the reason."""
        return self._loop.run(self._deliver(list(rooms)))

    async def _deliver(self, rooms: list[StreamId]) -> dict[StreamId, BaseException]:
        results = await asyncio.gather(*map(self._deliver_room, rooms), return_exceptions=True)
        return {room: result for room, result in zip(rooms, results, strict=True) if result is not None}

    def close(self) -> None:
        self._loop.close()


@functools.cache
def wiring() -> Wiring:
    return Wiring(load_settings(ChatDeliverySettings))

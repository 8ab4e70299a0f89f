"""Stage 7 · joins the delivery of rooms to the cache, DynamoDB, the queue and `@connections`, at the first call."""

from __future__ import annotations

import functools
from collections.abc import Collection

from functions.chat_delivery.deliver_shards import DeliverShards
from functions.chat_delivery.settings import ChatDeliverySettings
from headwater.adapters.chat_connections import ChatConnections
from headwater.adapters.chat_delivery_queue import ChatDeliveryQueue
from headwater.adapters.chat_rounds import ChatRounds
from headwater.adapters.chat_seats import ChatSeats
from headwater.adapters.connection_posts import PostingLoop
from headwater.domain.chat_rounds import Shard
from headwater.settings import load_settings


class Wiring:
    def __init__(self, settings: ChatDeliverySettings) -> None:
        self._loop = PostingLoop(settings.chat_callback_url)
        rounds = ChatRounds(settings.cache_url)
        self._deliver_shards = DeliverShards(
            rounds,
            ChatConnections(settings.connection_table, ChatSeats(settings.cache_url)),
            ChatDeliveryQueue(settings.chat_delivery_queue_url, rounds),
            self._loop.posts,
        )

    def deliver(self, shards: Collection[Shard]) -> dict[Shard, BaseException]:
        """Every shard at the same time; those whose delivery failed, with the reason."""
        return self._loop.run(self._deliver_shards(shards))

    def close(self) -> None:
        self._loop.close()


@functools.cache
def wiring() -> Wiring:
    return Wiring(load_settings(ChatDeliverySettings))

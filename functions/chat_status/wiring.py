"""Stage 7 · joins what a room is told of its stream to the cache and the queues, at the first call."""

from __future__ import annotations

import functools

from redis.cluster import RedisCluster

from functions.chat_status.look_at_audience import LookAtAudience
from functions.chat_status.settings import ChatStatusSettings
from functions.chat_status.tell_status import TellStatus
from headwater.adapters.audience_watch import AudienceWatch
from headwater.adapters.cache import cache_client
from headwater.adapters.chat_delivery_queue import ChatDeliveryQueue
from headwater.adapters.chat_rooms import ChatRooms
from headwater.adapters.chat_rounds import ChatRounds
from headwater.adapters.presence import Presence
from headwater.adapters.queues import MessageQueue
from headwater.broadcasts import unix_ms
from headwater.settings import load_settings


class Wiring:
    def __init__(self, settings: ChatStatusSettings) -> None:
        rooms = ChatRooms(settings.cache_url)
        delivery = ChatDeliveryQueue(settings.chat_delivery_queue_url, ChatRounds(settings.cache_url))
        self.tell_status = TellStatus(rooms, delivery)

        def cache() -> RedisCluster:
            return cache_client(settings.cache_url)

        watch = AudienceWatch(cache, MessageQueue(settings.chat_status_queue_url))
        self.look_at_audience = LookAtAudience(Presence(cache), watch, rooms, delivery, unix_ms)


@functools.cache
def wiring() -> Wiring:
    return Wiring(load_settings(ChatStatusSettings))

"""Stage 7 · joins the telling of a stream's status to the cache and the queue, at the first call."""

from __future__ import annotations

import functools

from functions.chat_status.settings import ChatStatusSettings
from functions.chat_status.tell_status import TellStatus
from headwater.adapters.chat_delivery_queue import ChatDeliveryQueue
from headwater.adapters.chat_rooms import ChatRooms
from headwater.adapters.chat_rounds import ChatRounds
from headwater.settings import load_settings


@functools.cache
def tell_status() -> TellStatus:
    settings = load_settings(ChatStatusSettings)
    queue = ChatDeliveryQueue(settings.chat_delivery_queue_url, ChatRounds(settings.cache_url))
    return TellStatus(ChatRooms(settings.cache_url), queue)

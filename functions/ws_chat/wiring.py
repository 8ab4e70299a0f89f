"""Stage 7 · joins the use cases of ws_chat to DynamoDB, the cache, the queues and `@connections`, at the first call."""

from __future__ import annotations

import asyncio
import functools

from functions.ws_chat.answer_frame import AnswerFrame
from functions.ws_chat.join_room import JoinRoom
from functions.ws_chat.open_connection import OpenConnection
from functions.ws_chat.reply import Reply
from functions.ws_chat.send_message import SendMessage
from functions.ws_chat.settings import WsChatSettings
from headwater.adapters.cache import cache_client
from headwater.adapters.chat_acceptance import ChatAcceptance, MessageRate
from headwater.adapters.chat_connections import ChatConnections
from headwater.adapters.chat_delivery_queue import ChatDeliveryQueue
from headwater.adapters.chat_rooms import ChatRooms
from headwater.adapters.chat_rounds import ChatRounds
from headwater.adapters.chat_seats import ChatSeats
from headwater.adapters.chat_streams import ChatStreams
from headwater.adapters.chat_strikes import ChatStrikes
from headwater.adapters.chat_tickets import ChatTickets
from headwater.adapters.connection_posts import signed_posts
from headwater.adapters.queues import MessageQueue
from headwater.adapters.rate_limits import RateLimits
from headwater.adapters.room_emotes import RoomEmotes
from headwater.adapters.stream_controls import StreamControls
from headwater.settings import load_settings


class Wiring:
    def __init__(self, settings: WsChatSettings) -> None:
        self.connections = ChatConnections(settings.connection_table, ChatSeats(settings.cache_url))
        limits = RateLimits(lambda: cache_client(settings.cache_url))
        self.open_connection = OpenConnection(
            ChatTickets(settings.cache_url),
            self.connections,
            settings.allowed_origins,
            limits,
            settings.chat_connections_per_minute,
        )
        rate = MessageRate(settings.chat_message_burst, settings.chat_messages_per_minute)
        streams = ChatStreams(StreamControls(settings.stream_table))
        self.answer_frame = AnswerFrame(
            JoinRoom(
                streams,
                ChatRooms(settings.cache_url),
                self.connections,
                limits,
                settings.chat_joins_per_minute,
            ),
            SendMessage(
                streams,
                ChatAcceptance(settings.cache_url, rate),
                self.connections,
                RoomEmotes(settings.room_table),
                ChatDeliveryQueue(settings.chat_delivery_queue_url, ChatRounds(settings.cache_url)),
                MessageQueue(settings.chat_archive_queue_url),
            ),
            self.connections,
            ChatStrikes(settings.cache_url),
        )
        self._callback_url = settings.chat_callback_url

    @functools.cached_property
    def reply(self) -> Reply:
        """Made when first needed: nearly every answer goes back with the return value of the function."""
        return Reply(signed_posts(self._callback_url), asyncio.new_event_loop())


@functools.cache
def wiring() -> Wiring:
    return Wiring(load_settings(WsChatSettings))

"""Stage 7 · joins the use cases of ws_chat to DynamoDB, the cache, the queues and `@connections`, at the first call."""

from __future__ import annotations

import asyncio
import functools

from functions.ws_chat.answer_frame import AnswerFrame
from functions.ws_chat.join_room import JoinRoom
from functions.ws_chat.moderate_room import ModerateRoom
from functions.ws_chat.open_connection import OpenConnection
from functions.ws_chat.react import ReactInRoom
from functions.ws_chat.reply import Reply
from functions.ws_chat.send_message import SendMessage
from functions.ws_chat.settings import WsChatSettings
from headwater.adapters.cache import cache_client
from headwater.adapters.chat_acceptance import ChatAcceptance, MessageRate
from headwater.adapters.chat_connections import ChatConnections
from headwater.adapters.chat_delivery_queue import ChatDeliveryQueue
from headwater.adapters.chat_moderations import ChatModerations
from headwater.adapters.chat_rooms import ChatRooms
from headwater.adapters.chat_rounds import ChatRounds
from headwater.adapters.chat_seats import ChatSeats
from headwater.adapters.chat_standings import ChatStandings
from headwater.adapters.chat_streams import ChatStreams
from headwater.adapters.chat_strikes import ChatStrikes
from headwater.adapters.chat_tickets import ChatTickets
from headwater.adapters.connection_posts import signed_posts
from headwater.adapters.held_messages import HeldMessages
from headwater.adapters.queues import MessageQueue
from headwater.adapters.rate_limits import RateLimits
from headwater.adapters.room_emotes import RoomEmotes
from headwater.adapters.room_rules import RoomRulesStore
from headwater.adapters.stream_controls import StreamControls
from headwater.chat_moderation import ChatModeration
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
        room_rate = MessageRate(settings.chat_room_message_burst, settings.chat_room_messages_per_second * 60)
        rules = RoomRulesStore(settings.room_table)
        streams = ChatStreams(StreamControls(settings.stream_table), rules)
        rooms, emotes = ChatRooms(settings.cache_url), RoomEmotes(settings.room_table)
        delivery = ChatDeliveryQueue(settings.chat_delivery_queue_url, ChatRounds(settings.cache_url))
        archive = MessageQueue(settings.chat_archive_queue_url)
        standings = ChatStandings(settings.cache_url, settings.room_table)
        moderation = ChatModeration(
            streams,
            standings,
            rules,
            HeldMessages(settings.room_table),
            ChatModerations(settings.cache_url),
            rooms,
            self.connections,
            delivery,
            archive,
        )
        self.answer_frame = AnswerFrame(
            JoinRoom(
                streams,
                rooms,
                self.connections,
                limits,
                settings.chat_joins_per_minute,
            ),
            SendMessage(
                streams,
                rooms,
                standings,
                ChatAcceptance(settings.cache_url, rate, room_rate),
                self.connections,
                emotes,
                delivery,
                archive,
                moderation,
            ),
            ReactInRoom(streams, self.connections, emotes, standings, limits, rooms, delivery),
            ModerateRoom(moderation, self.connections),
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

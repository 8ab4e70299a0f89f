"""The whole of chat behind API Gateway, for integration tests: real Redis, AWS by moto, a stand-in `@connections`.

Tests speak to it as API Gateway and SQS do: through the handlers, with events of their shapes.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

import functions.chat_delivery.wiring as delivery_wiring
import functions.ws_chat.wiring as chat_wiring
from functions.chat_delivery.handler import handler as delivery_handler
from functions.ws_chat.handler import handler as chat_handler
from headwater.adapters import aws
from headwater.adapters.cache import cache_client
from headwater.adapters.chat_connections import ChatConnections, connection_items
from headwater.adapters.chat_rooms import ChatRooms
from headwater.adapters.chat_rounds import ChatRounds
from headwater.adapters.chat_seats import ChatSeats
from headwater.adapters.chat_standings import ChatStandings
from headwater.adapters.chat_tickets import ChatTickets
from headwater.adapters.held_messages import HeldMessages
from headwater.adapters.room_rules import RoomRulesStore
from headwater.adapters.stream_controls import StreamControls
from headwater.domain.broadcast import StreamSettings
from headwater.domain.chat import Chatter
from headwater.domain.ids import StreamId, UserId, new_id
from headwater.domain.room_settings import RoomRules
from tests.aws import ROOM_TABLE, STREAM_TABLE, create_connection_table, fresh_account, queue_record, received
from tests.chat_protocol import check_client_frame, check_server_frame
from tests.connections_endpoint import ConnectionsEndpoint
from tests.factories import stream_control
from tests.redis_server import RedisServer

CONNECTION_TABLE = "connections"
ORIGIN = "http://127.0.0.1:8080"
PACE = cast(dict[str, Any], ChatRounds.__init__.__kwdefaults__)
EVENTS = Path(__file__).parent / "events/websocket"


@functools.cache
def _recorded(name: str) -> bytes:
    return (EVENTS / f"{name}.json").read_bytes()


def socket_event(route: str, connection_id: str, **fields: Any) -> dict[str, Any]:
    """What API Gateway sends for `route` (connect, disconnect, default), of this connection."""
    event = msgspec.json.decode(_recorded(route))
    event["requestContext"]["connectionId"] = connection_id
    return {**event, **fields}


def queue_event(bodies: list[str]) -> dict[str, Any]:
    """What Lambda's poller sends for these messages of a queue."""
    return {"Records": [queue_record(str(number), body) for number, body in enumerate(bodies)]}


@dataclass
class ChatBackend:
    cache_url: str
    endpoint: ConnectionsEndpoint
    delivery_queue: str
    archive_queue: str
    status_queue: str
    stream_id: StreamId = field(default_factory=lambda: StreamId(new_id()))
    owner_id: UserId = field(default_factory=lambda: UserId(new_id()))
    _serial: Iterator[int] = field(default_factory=itertools.count)

    @property
    def rooms(self) -> ChatRooms:
        return ChatRooms(self.cache_url)

    @property
    def connections(self) -> ChatConnections:
        return ChatConnections(CONNECTION_TABLE, ChatSeats(self.cache_url))

    @property
    def standings(self) -> ChatStandings:
        return ChatStandings(self.cache_url, ROOM_TABLE)

    @property
    def held(self) -> HeldMessages:
        return HeldMessages(ROOM_TABLE)

    def create_stream(
        self,
        stream_id: StreamId,
        owner_id: UserId,
        *,
        private: bool = False,
        moderators: Sequence[str] = (),
        vips: Sequence[str] = (),
        rules: RoomRules | None = None,
    ) -> None:
        control = stream_control(
            stream_id=stream_id,
            owner_id=owner_id,
            settings=StreamSettings(private=private),
            moderators=tuple(map(UserId, moderators)),
            vips=tuple(map(UserId, vips)),
        )
        StreamControls(STREAM_TABLE).create(control)
        if rules is not None:
            self.set_rules(stream_id, rules)

    def set_rules(self, stream_id: StreamId, rules: RoomRules) -> None:
        """As a moderator would, and every process of chat has learnt of it."""
        RoomRulesStore(ROOM_TABLE).change(stream_id, lambda _: rules)
        self.forget()

    def forget(self) -> None:
        """What follows is answered by a process that remembers nothing."""
        if chat_wiring.wiring.cache_info().currsize and "reply" in vars(chat_wiring.wiring()):
            chat_wiring.wiring().reply.close()
        chat_wiring.wiring.cache_clear()

    def flush(self) -> None:
        """The cache loses everything."""
        cache_client(self.cache_url).flushall(target_nodes="all")

    def newest_seq(self) -> int:
        return self.rooms.view(self.stream_id, after_seq=None, history=1).seq

    def ticket(
        self,
        username: str,
        user_id: str | None = None,
        roles: tuple[str, ...] = ("viewer",),
        *,
        registered_at: int = 0,
    ) -> str:
        chatter = Chatter(UserId(user_id or f"user-{username}"), username, roles, registered_at=registered_at)
        return ChatTickets(self.cache_url).issue(chatter, "session")

    def handle(self, event: dict[str, Any]) -> dict[str, Any]:
        """What API Gateway is answered."""
        answer: dict[str, Any] = chat_handler(event, None)
        return answer

    def connect(self, ticket: str | None = None, origin: str | None = ORIGIN) -> tuple[int, str]:
        """The status, and the new connection's id."""
        connection_id = f"c{next(self._serial)}="
        event = socket_event("connect", connection_id)
        event["headers"].pop("Origin")
        if origin is not None:
            event["headers"]["Origin"] = origin
        event["queryStringParameters"] = {"ticket": ticket} if ticket is not None else None
        return chat_handler(event, None)["statusCode"], connection_id

    def signed_in(
        self,
        username: str,
        user_id: str | None = None,
        roles: tuple[str, ...] = ("viewer",),
        *,
        registered_at: int = 0,
    ) -> str:
        status, connection_id = self.connect(self.ticket(username, user_id, roles, registered_at=registered_at))
        assert status == 200
        return connection_id

    def say(self, connection_id: str, body: str) -> dict[str, Any] | None:
        """Send a frame; the answer, if it came back at once. What is answered has to be of the protocol, and so has what
        was understood."""
        answer = chat_handler(socket_event("default", connection_id, body=body), None)
        assert answer["statusCode"] == 200
        if "body" not in answer:
            return None
        told = check_server_frame(answer["body"])
        if told.get("code") not in ("bad_frame", "unknown_action"):
            check_client_frame(msgspec.json.decode(body))
        return told

    def frame(self, connection_id: str, action: str, **fields: Any) -> dict[str, Any]:
        body = {"action": action, "stream_id": self.stream_id, **fields}
        answer = self.say(connection_id, msgspec.json.encode(body).decode())
        assert answer is not None
        return answer

    def join(self, connection_id: str, **fields: Any) -> dict[str, Any]:
        answer = self.frame(connection_id, "join", **fields)
        assert answer["type"] == "joined"
        return answer

    def send(self, connection_id: str, text: str, **fields: Any) -> dict[str, Any]:
        answer = self.frame(connection_id, "send", text=text, **{"nonce": new_id(), **fields})
        assert answer["type"] == "ack"
        return answer

    def disconnect(self, connection_id: str) -> None:
        assert chat_handler(socket_event("disconnect", connection_id), None) == {"statusCode": 200}

    def hints(self) -> list[str]:
        return received(self.delivery_queue)

    def archived(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(body) for body in received(self.archive_queue)]

    def deliver(self, times: int = 1) -> list[str]:
        """Let the delivery have its hints, each batch so often; the ids of what it did not manage."""
        hints = self.hints()
        failed: list[str] = []
        for _ in range(times):
            answer = delivery_handler(queue_event(hints), None)
            failed += [item["itemIdentifier"] for item in answer["batchItemFailures"]]
        return failed


@contextmanager
def chat_backend(
    redis: RedisServer, endpoint: ConnectionsEndpoint, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ChatBackend]:
    with fresh_account(monkeypatch):
        connection_items.cache_clear()
        create_connection_table(CONNECTION_TABLE)
        sqs = aws.client("sqs")
        fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "false"}
        backend = ChatBackend(
            cache_url=redis.url,
            endpoint=endpoint,
            delivery_queue=sqs.create_queue(QueueName="delivery.fifo", Attributes=fifo)["QueueUrl"],
            archive_queue=sqs.create_queue(QueueName="archive")["QueueUrl"],
            status_queue=sqs.create_queue(QueueName="status")["QueueUrl"],
        )
        for name, value in {
            "CONNECTION_TABLE": CONNECTION_TABLE,
            "ROOM_TABLE": ROOM_TABLE,
            "STREAM_TABLE": STREAM_TABLE,
            "CACHE_URL": redis.url,
            "CHAT_DELIVERY_QUEUE_URL": backend.delivery_queue,
            "CHAT_STATUS_QUEUE_URL": backend.status_queue,
            "CHAT_ARCHIVE_QUEUE_URL": backend.archive_queue,
            "CHAT_CALLBACK_URL": endpoint.url,
            "CORS_ORIGINS": f"https://headwater.example, {ORIGIN}",
            "CHAT_CONNECTIONS_PER_MINUTE": "100000",
            "CHAT_JOINS_PER_MINUTE": "10000",
            "CHAT_MESSAGE_BURST": "1000",
            "CHAT_ROOM_MESSAGE_BURST": "100000",
            "CHAT_MESSAGES_PER_MINUTE": "60000",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setitem(PACE, "slowest_pace_ms", 0)  # tests have no quarter of a second to wait for each frame
        cache_client(redis.url).flushall(target_nodes="all")
        chat_wiring.wiring.cache_clear()
        delivery_wiring.wiring.cache_clear()
        backend.create_stream(backend.stream_id, backend.owner_id)
        try:
            yield backend
        finally:
            if delivery_wiring.wiring.cache_info().currsize:
                delivery_wiring.wiring().close()
            backend.forget()
            delivery_wiring.wiring.cache_clear()
            connection_items.cache_clear()

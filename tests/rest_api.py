"""The REST API as deployed, but for AWS, which moto plays: real PostgreSQL and Redis behind the real handler."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from argon2 import PasswordHasher
from mangum import Mangum

from functions.api import handler as api_handler
from functions.api.use_cases.sessions import open_session
from functions.api.wiring import Services
from functions.broadcast_history import wiring as history_wiring
from functions.broadcast_history.handler import handler as history_handler
from functions.playback_keys.handler import handler as playback_keys_handler
from functions.signing_keys.handler import handler as signing_keys_handler
from headwater.adapters import aws, secrets
from headwater.adapters.chat_connections import ChatConnections, connection_items
from headwater.adapters.chat_seats import ChatSeats
from headwater.adapters.dynamodb_tables import timeline_items
from headwater.broadcasts import Broadcasts
from headwater.contracts import EVENT_SOURCE, STREAM_EVENT_SOURCE, StreamChanged
from headwater.domain.accounts import Role
from headwater.domain.broadcast_events import Event, Finalised, MediaSeen
from headwater.domain.decision import Decision
from headwater.domain.ids import BroadcastId, StreamId, UserId, new_id
from headwater.domain.sign_in import Device
from headwater.media.timeline import Epoch, Segment, Timeline
from tests.account_mail import WEB, forget_mail, mail_environment
from tests.api_description import described
from tests.api_gateway import Answer, ApiClient
from tests.aws import (
    EVENT_BUS,
    IDEMPOTENCY_TABLE,
    LEASE_TABLE,
    REGION,
    ROOM_TABLE,
    SEGMENT_TABLE,
    STREAM_TABLE,
    create_connection_table,
    fresh_account,
    queue_record,
    received,
)
from tests.canaries import watched
from tests.factories import done, publish, session_ref

CDN = "https://cdn.example.org"
PASSWORD = "grenoble-umbrella-47"
CONNECTION_TABLE = "connections"
MEDIA_BUCKET = "media"
UPLOAD_BUCKET = "uploads"
STREAM_KEY_SECRET = "a secret of more than thirty-two characters"

_numbers = itertools.count(1)


@dataclass
class Person:
    api: ApiClient
    user: dict[str, Any]
    refresh_token: str

    def stream(self, **fields: Any) -> dict[str, Any]:
        made = self.api.post("/v1/streams", {"title": "A stream", **fields})
        assert made.status == 201, made.text
        stream: dict[str, Any] = made.json
        return stream


@dataclass
class RestApi:
    """Everything that a test of the API reaches: the client side, and the services on the other side of it."""

    anonymous: ApiClient
    services: Services
    news_queue: str

    def register(self, username: str | None = None) -> Person:
        name = username or f"person_{next(_numbers)}"
        answer = self.anonymous.post(
            "/v1/auth/register", {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        )
        assert answer.status == 201, answer.text
        return self.signed_in(answer)

    def newcomer(self, *roles: Role) -> Person:
        """Somebody who has registered and been given `roles`, without the time that hashing a password takes."""
        name = f"newcomer_{next(_numbers)}"
        with self.services.unit_of_work() as unit:
            user = unit.accounts.add(UserId(new_id()), name, f"{name}@example.org", _cheap_hash())
            assert user is not None
            for role in roles:
                unit.administered_users.grant(user.user_id, role)
            opened = open_session(unit.sessions, self.services.tokens, user, Device("tests", "203.0.113.7"))
        client = self.anonymous.signed_in(opened.access_token)
        return Person(client, client.get("/v1/me").json, opened.refresh_token)

    def signed_in(self, answer: Answer) -> Person:
        return Person(
            self.anonymous.signed_in(answer.json["access_token"]), answer.json["user"], answer.json["refresh_token"]
        )

    @property
    def hot_state(self) -> Broadcasts:
        return self.services.hot_state

    @property
    def connections(self) -> ChatConnections:
        return ChatConnections(CONNECTION_TABLE, ChatSeats(self.services.settings.cache_url))

    def happen(self, stream: dict[str, Any], event: Event) -> Decision:
        return self.hot_state.apply(StreamId(stream["id"]), event)

    def go_live(self, stream: dict[str, Any]) -> BroadcastId:
        """An encoder publishes and its first segment is stored. History is not told yet."""
        decision = self.happen(stream, publish(session_ref(str(next(_numbers)))))
        broadcast = decision.control.broadcast
        assert broadcast is not None
        self.happen(stream, MediaSeen(broadcast.broadcast_id, broadcast.sessions))
        return broadcast.broadcast_id

    def encoder_leaves(self, stream: dict[str, Any]) -> None:
        control = self.hot_state.read(StreamId(stream["id"]))
        assert control is not None and control.broadcast is not None and control.broadcast.session is not None
        self.happen(stream, done(control.broadcast.session.ref, control.broadcast.session.ref.opened_at))

    def finalise(self, stream: dict[str, Any], broadcast_id: BroadcastId) -> None:
        self.happen(stream, Finalised(broadcast_id, 12.5, ("720p", "audio")))

    def discard(self, stream: dict[str, Any], broadcast_id: BroadcastId) -> None:
        self.happen(stream, Finalised(broadcast_id, 0.0, discarded=True))

    def record(self, timeline: Timeline) -> None:
        """As the worker does, but for its lease."""
        items = timeline_items(SEGMENT_TABLE)
        rows: list[tuple[str, Epoch | Segment]] = [(f"epoch#{each.number:06d}", each) for each in timeline.epochs]
        rows += [(f"segment#{each.sequence:010d}", each) for each in timeline.segments]
        with items.batch_write() as batch:
            for position, content in rows:
                body = msgspec.json.encode(content).decode()
                batch.save(items(broadcast_id=timeline.broadcast_id, position=position, body=body))

    def news(self) -> list[StreamChanged]:
        """What the bus was told of streams themselves since the last time; what it was told of broadcasts is dropped."""
        events = [msgspec.json.decode(body) for body in received(self.news_queue)]
        of_streams = [each for each in events if each["source"] == STREAM_EVENT_SOURCE]
        return [msgspec.convert(each["detail"], StreamChanged) for each in of_streams]

    def tell_history(self) -> None:
        """Hand what the bus delivered since the last time to the history writer."""
        bodies = [body for body in received(self.news_queue) if msgspec.json.decode(body)["source"] == EVENT_SOURCE]
        assert write_history(bodies) == []


def write_history(bodies: list[str]) -> list[str]:
    """The history writer's answer to one batch: the ids (`m0`, `m1`, …) that failed."""
    records = [queue_record(f"m{number}", body) for number, body in enumerate(bodies)]
    answer = history_handler({"Records": records}, None)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@contextmanager
def rest_api(monkeypatch: pytest.MonkeyPatch, database_url: str, cache_url: str, **settings: str) -> Iterator[RestApi]:
    with fresh_account(monkeypatch) as account:
        connection_items.cache_clear()
        create_connection_table(CONNECTION_TABLE)
        for bucket in (MEDIA_BUCKET, UPLOAD_BUCKET):
            aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        account_data_queue = aws.client("sqs").create_queue(QueueName="account-data")["QueueUrl"]
        chat_delivery_queue = aws.client("sqs").create_queue(
            QueueName="chat-delivery.fifo", Attributes={"FifoQueue": "true"}
        )["QueueUrl"]
        manager = aws.client("secretsmanager")
        for name, held in (("database", {"url": database_url}), ("stream-key", {"secret": STREAM_KEY_SECRET})):
            manager.create_secret(Name=name, SecretString=json.dumps(held))
        for name in ("token-keys", "playback-keys"):
            manager.create_secret(Name=name, SecretString="not made yet")
        environment = {
            "DATABASE_SECRET": "database",
            "STREAM_KEY_SECRET": "stream-key",
            "TOKEN_KEYS_SECRET": "token-keys",
            "PLAYBACK_KEYS_SECRET": "playback-keys",
            "TOKEN_ISSUER": "https://api.example.org",
            "STREAM_TABLE": STREAM_TABLE,
            "LEASE_TABLE": LEASE_TABLE,
            "SEGMENT_TABLE": SEGMENT_TABLE,
            "CLIPS_PER_MINUTE": "1000",
            "IDEMPOTENCY_TABLE": IDEMPOTENCY_TABLE,
            "EVENT_BUS": EVENT_BUS,
            "PULSE_QUEUE_URL": account.pulse_queue,
            "CONNECTION_TABLE": CONNECTION_TABLE,
            "ROOM_TABLE": ROOM_TABLE,
            "CHAT_DELIVERY_QUEUE_URL": chat_delivery_queue,
            "CHAT_STATUS_QUEUE_URL": aws.client("sqs").create_queue(QueueName="chat-status")["QueueUrl"],
            "CHAT_ARCHIVE_QUEUE_URL": aws.client("sqs").create_queue(QueueName="chat-archive")["QueueUrl"],
            "CHAT_CALLBACK_URL": "http://127.0.0.1:9/nothing-to-close",
            **mail_environment(),
            "CACHE_URL": cache_url,
            "MEDIA_BUCKET": MEDIA_BUCKET,
            "UPLOAD_BUCKET": UPLOAD_BUCKET,
            "ACCOUNT_DATA_QUEUE_URL": account_data_queue,
            "CDN_URL": CDN,
            "API_URL": "https://api.example.org",
            "WEB_URL": WEB,
            "WS_URL": "wss://chat.example.org",
            "RTMP_URLS": "rtmp://ingest.example.org:1935/live, rtmp://backup.example.org:1935/live",
            "REGISTRATIONS_PER_MINUTE": "1000",
            "LOGINS_PER_MINUTE": "1000",
            "MAILS_PER_HOUR": "1000",
            "PLAYBACK_SESSIONS_PER_MINUTE": "1000",
            **settings,
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        signing_keys_handler({}, None)
        playback_keys_handler({}, None)
        _forget_wiring()
        api = RestApi(ApiClient(api_handler.handler), _services(), account.news_queue)
        try:
            document = api.anonymous.get("/v1/openapi.json").json
            with watched(described(api_handler.handler, document)) as handler:
                api.anonymous = ApiClient(handler)
                yield api
        finally:
            api.services.database.close()
            forget_mail()
            history_wiring.database().close()
            _forget_wiring()
            secrets.forget_secrets()
            connection_items.cache_clear()


@functools.cache
def _cheap_hash() -> str:
    """Of PASSWORD, in a fraction of a millisecond."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def _forget_wiring() -> None:
    api_handler.gateway.cache_clear()
    history_wiring.database.cache_clear()


def _services() -> Services:
    app: Any = api_handler.gateway().app
    assert isinstance(api_handler.gateway(), Mangum)
    services: Services = app.state.services
    return services

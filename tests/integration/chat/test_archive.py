"""The archive of chat in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from functions.chat_archive.handler import handler
from functions.chat_archive.wiring import wiring
from headwater.adapters import aws
from headwater.adapters.chat_history import ChatHistory
from headwater.adapters.postgres import Database
from headwater.adapters.tables import users
from headwater.contracts import ChatMessageArchived, encode
from headwater.domain.ids import MessageId, StreamId, UserId, new_id
from tests.aws import fresh_account
from tests.chat_backend import queue_event
from tests.postgres_server import PostgresServer, postgres_server

STREAM = StreamId(new_id())


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def history(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The database, empty, with the function wired to it."""
    postgres.empty()
    with fresh_account(monkeypatch):
        secret = msgspec.json.encode({"url": postgres.url}).decode()
        aws.client("secretsmanager").create_secret(Name="database", SecretString=secret)
        monkeypatch.setenv("DATABASE_SECRET", "database")
        wiring.cache_clear()
        database = Database(lambda: postgres.url)
        with database.begin() as connection:
            connection.execute(users.insert().values(id="user-1", username="ada", email="ada@example.org"))
        yield database
        database.close()
        if wiring.cache_info().currsize:
            wiring().database.close()
        wiring.cache_clear()


def message(seq: int, **fields: object) -> ChatMessageArchived:
    whole = {
        "stream_id": STREAM,
        "seq": seq,
        "message_id": MessageId(new_id()),
        "user_id": UserId("user-1"),
        "username": "ada",
        "text": f"message {seq} \U0001f30a",
        "reply_to": None,
        "created_at": 1_800_000_000_123 + seq,
        **fields,
    }
    return ChatMessageArchived(**whole)  # type: ignore[arg-type]


def archived(database: Database, before: int | None = None) -> list[ChatMessageArchived]:
    with database.begin() as connection:
        return list(ChatHistory(connection).before(STREAM, before, 100))


def test_messages_are_written_whole_and_once_however_often_they_come(history: Database) -> None:
    messages = [message(1), message(2, reply_to=MessageId(new_id())), message(1_800_000_000_003)]
    event = queue_event([encode(m) for m in (*messages, messages[0])])
    for _ in range(3):
        assert handler(event, None) == {"batchItemFailures": []}
    assert archived(history) == messages[::-1]
    assert archived(history, before=2) == messages[:1]


def test_a_message_that_cannot_be_stored_holds_up_no_other(history: Database) -> None:
    good = message(1)
    event = queue_event([encode(message(2, text="nul \x00")), encode(good), "not json", "{}"])
    failed = {item["itemIdentifier"] for item in handler(event, None)["batchItemFailures"]}
    assert failed == {"0", "2", "3"}
    assert archived(history) == [good]


def test_while_the_database_is_away_messages_wait(history: Database, postgres: PostgresServer) -> None:
    event = queue_event([encode(message(1)), encode(message(2))])
    history.close()
    postgres.stop()
    try:
        assert len(handler(event, None)["batchItemFailures"]) == 2
    finally:
        postgres.start()
    assert handler(event, None) == {"batchItemFailures": []}
    assert len(archived(history)) == 2

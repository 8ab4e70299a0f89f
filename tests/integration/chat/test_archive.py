"""The archive of chat in a real PostgreSQL."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec
import pytest
from sqlalchemy.exc import DBAPIError

from functions.chat_archive.handler import handler
from functions.chat_archive.wiring import wiring
from headwater.adapters import aws
from headwater.adapters.chat_history import ChatHistory
from headwater.adapters.moderation_log import ModerationEntry, ModerationLog
from headwater.adapters.postgres import Database
from headwater.adapters.tables import users
from headwater.contracts import ChatMessageArchived, ChatModerated, encode
from headwater.domain.ids import MessageId, StreamId, UserId, id_bound, new_id
from headwater.domain.moderation import ModerationAction
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


def moderated(action: ModerationAction, seq: int, **fields: object) -> ChatModerated:
    whole = {
        "entry_id": id_bound(1_800_000_000_123 + seq) + new_id()[9:],  # ids of one millisecond are in no order
        "stream_id": STREAM,
        "action": action,
        "actor_id": UserId("user-mod"),
        "seq": seq,
        "first_seq": 1,
        "created_at": 1_800_000_000_123 + seq,
        **fields,
    }
    return ChatModerated(**whole)  # type: ignore[arg-type]


def read_log(database: Database) -> list[ModerationEntry]:
    with database.begin() as connection:
        return list(ModerationLog(connection).page(STREAM, limit=100))


def test_whatever_order_messages_and_moderations_come_in_the_same_is_hidden(history: Database) -> None:
    deleted, purged, cleared, restored, later, other_user = (message(seq) for seq in (2, 3, 4, 5, 20, 6))
    other_user = msgspec.structs.replace(other_user, user_id=UserId("user-2"), seq=9)
    entries: list[ChatMessageArchived | ChatModerated] = [
        deleted, purged, cleared, restored, later, other_user,
        moderated(ModerationAction.CLEAR, 7, first_seq=4),
        moderated(ModerationAction.DELETE, 8, message_id=deleted.message_id),
        moderated(ModerationAction.TIMEOUT, 10, user_id=UserId("user-1"), first_seq=3),
        moderated(ModerationAction.RESTORE, 11, message_id=restored.message_id),
    ]  # fmt: skip
    shuffled = random.Random(4)
    for _ in range(8):
        with history.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql("DELETE FROM chat_messages; DELETE FROM moderation_log")
        shuffled.shuffle(entries)
        for entry in (*entries, entries[0]):
            assert handler(queue_event([encode(entry)]), None) == {"batchItemFailures": []}
        assert [each.seq for each in archived(history)] == [20, 9, 5], [type(each).__name__ for each in entries]


def test_the_log_holds_each_entry_once_and_says_what_was_undone(history: Database) -> None:
    ban = moderated(ModerationAction.BAN, 5, user_id=UserId("user-1"), reason="Spam", details={"n": 1})
    unban = moderated(ModerationAction.UNBAN, 6, user_id=UserId("user-1"), undoes=ban.entry_id)
    for _ in range(2):
        assert handler(queue_event([encode(unban), encode(ban)]), None) == {"batchItemFailures": []}
    newest, oldest = read_log(history)
    assert (newest.action, newest.undoes, newest.undone_by) == (ModerationAction.UNBAN, ban.entry_id, None)
    assert (oldest.user_name, oldest.reason, oldest.details, oldest.undone_by) == (
        "ada",
        "Spam",
        {"n": 1},
        unban.entry_id,
    )


@pytest.mark.parametrize(
    "change",
    ["UPDATE moderation_log SET reason = 'nothing'", "DELETE FROM moderation_log", "TRUNCATE moderation_log"],
)
def test_nobody_changes_what_the_log_says(history: Database, change: str) -> None:
    handler(queue_event([encode(moderated(ModerationAction.CLEAR, 5))]), None)
    with pytest.raises(DBAPIError, match="only appended"), history.begin() as connection:
        connection.exec_driver_sql(change)
    assert len(read_log(history)) == 1

"""A room that turned private, or whose stream is gone, holds nobody in the end who may not be in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from functions.chat_admission.handler import handler
from functions.chat_admission.wiring import wiring
from headwater.adapters import chat_seats
from headwater.adapters.chat_connections import connection_items
from headwater.adapters.chat_rounds import ChatRounds
from headwater.adapters.room_scripts import run_script
from headwater.adapters.stream_controls import StreamControls
from headwater.broadcasts import Broadcasts
from headwater.contracts import StreamChanged
from headwater.domain.broadcast import StreamEventName, StreamSettings
from headwater.domain.broadcast_events import Configure, Delete, Event, NameModerators, NameViewers
from headwater.domain.chat import Membership
from headwater.domain.chat_rounds import Intent, Nothing, Position, Seats, Shard
from headwater.domain.ids import ConnectionId, UserId, new_id
from headwater.domain.server_frames import StreamStatusEvent
from tests.aws import STREAM_TABLE
from tests.chat_backend import CONNECTION_TABLE, ChatBackend, queue_event
from tests.factories import NOW
from tests.fakes import MemoryOutbox
from tests.fast_connections import fast_connections
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def fresh_wiring(chat: ChatBackend) -> Iterator[None]:
    """Closed before the endpoint is, which waits for whoever keeps a wire to it."""
    wiring.cache_clear()
    yield
    if wiring.cache_info().currsize:
        wiring().close()
    wiring.cache_clear()


def happen(chat: ChatBackend, *events: Event) -> list[StreamEventName]:
    """What the stream tells of it."""
    outbox = MemoryOutbox()
    for event in events:
        Broadcasts(StreamControls(STREAM_TABLE), outbox).apply(chat.stream_id, event)
    return [news.name for news in outbox.stream_news]


def tell(chat: ChatBackend, name: StreamEventName, times: int = 1) -> None:
    detail = StreamChanged(name=name, stream_id=chat.stream_id, occurred_at=NOW)
    body = msgspec.json.encode({"source": "headwater.streams", "detail-type": name, "detail": detail}).decode()
    assert handler(queue_event([body] * times), None) == {"batchItemFailures": []}


def everybody(chat: ChatBackend) -> dict[str, str]:
    _, reader = chat.connect()
    people = {
        "owner": chat.signed_in("owner", chat.owner_id),
        "friend": chat.signed_in("friend", "user-friend"),
        "stranger": chat.signed_in("stranger"),
        "reader": reader,
    }
    for connection in people.values():
        chat.join(connection)
    return people


def in_room(chat: ChatBackend, people: dict[str, str]) -> set[str]:
    members = {member.connection_id for member in chat.connections.members(chat.stream_id)}
    return {who for who, connection in people.items() if connection in members}


def test_when_a_stream_turns_private_its_owner_and_who_is_on_the_list_stay(chat: ChatBackend) -> None:
    people = everybody(chat)
    told = happen(chat, NameViewers((UserId("user-friend"),)), Configure(StreamSettings(private=True)))
    assert told == [StreamEventName.AUDIENCE_CHANGED]
    tell(chat, told[0], times=2)
    assert in_room(chat, people) == {"owner", "friend"}
    assert set(chat.endpoint.closed) == {people["stranger"], people["reader"]}
    assert people["owner"] not in chat.endpoint.closed


def test_who_is_taken_off_the_list_is_put_out(chat: ChatBackend) -> None:
    people = everybody(chat)
    happen(chat, NameViewers((UserId("user-friend"),)), Configure(StreamSettings(private=True)))
    assert happen(chat, NameViewers(())) == [StreamEventName.AUDIENCE_CHANGED]
    tell(chat, StreamEventName.AUDIENCE_CHANGED)
    assert in_room(chat, people) == {"owner"}


def test_the_room_of_a_deleted_stream_is_empty(chat: ChatBackend) -> None:
    people = everybody(chat)
    assert happen(chat, Delete(), Delete()) == [StreamEventName.DELETED]
    tell(chat, StreamEventName.DELETED)
    assert in_room(chat, people) == set()


def test_a_room_of_a_thousand_is_cleared_at_once_and_not_one_by_one(
    chat: ChatBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [Membership(ConnectionId(f"r{number}="), None, 0, shard=number // 1_000) for number in range(1_200)]
    items = connection_items(CONNECTION_TABLE)
    with items.batch_write() as batch:
        for each in members:
            batch.save(items(chat.stream_id, each.connection_id, shard=each.shard, expires_at=int(time.time()) + 3600))
    chat.connections.restore_seats(chat.stream_id)
    happen(chat, Delete())
    closed: list[str] = []
    asked: list[str] = []

    def counted(cache_url: str, script: str, *arguments: Any) -> Any:
        asked.append(script)
        return run_script(cache_url, script, *arguments)

    def close(method: str, connection_id: str, _: str) -> int:
        closed.append(f"{method} {connection_id}")
        return 200

    with fast_connections(close, latency_seconds=0.02) as url:
        monkeypatch.setenv("CHAT_CALLBACK_URL", url)
        monkeypatch.setattr(chat_seats, "run_script", counted)
        began = time.monotonic()
        tell(chat, StreamEventName.DELETED)
        print(f"{len(members)} sockets closed and unseated in {time.monotonic() - began:.2f} s")
        wiring().close()
        wiring.cache_clear()
    assert sorted(closed) == sorted(f"DELETE {each.connection_id}" for each in members)
    assert len(asked) == 2, "the cache is asked once for each shard"
    assert not list(chat.connections.members(chat.stream_id))
    chat.rooms.append(chat.stream_id, StreamStatusEvent(status="offline", at="now"))
    for shard in (0, 1):
        looked = ChatRounds(chat.cache_url).take(Shard(chat.stream_id, shard), Position(), Intent.LEAVE, Seats())
        assert isinstance(looked, Nothing), "nobody sits there any more"


def test_whose_socket_cannot_be_closed_is_found_the_next_time(chat: ChatBackend) -> None:
    people = everybody(chat)
    happen(chat, Delete())
    chat.endpoint.refusing = 403
    detail = StreamChanged(name=StreamEventName.DELETED, stream_id=chat.stream_id, occurred_at=NOW)
    body = msgspec.json.encode({"source": "headwater.streams", "detail-type": detail.name, "detail": detail}).decode()
    assert handler(queue_event([body]), None)["batchItemFailures"] == [{"itemIdentifier": "0"}]
    assert in_room(chat, people) == set(people)
    chat.endpoint.refusing = None
    tell(chat, StreamEventName.DELETED)
    assert in_room(chat, people) == set()
    assert set(chat.endpoint.closed) == set(people.values())


def test_nobody_joins_a_room_that_was_closed_to_them_a_moment_ago(chat: ChatBackend) -> None:
    """Although who decides about messages remembers a room for a second."""
    people = everybody(chat)
    late, owner = chat.signed_in("late"), people["owner"]
    happen(chat, Configure(StreamSettings(private=True)))
    tell(chat, StreamEventName.AUDIENCE_CHANGED)
    assert chat.frame(late, "join", nonce="n")["code"] == "not_found"
    assert in_room(chat, {**people, "late": late}) == {"owner"}
    happen(chat, Delete())
    assert chat.frame(owner, "join", nonce="n")["code"] == "not_found"


def test_late_news_of_a_stream_that_is_public_again_puts_nobody_out(chat: ChatBackend) -> None:
    people = everybody(chat)
    happen(chat, Configure(StreamSettings(private=True)), Configure(StreamSettings()))
    tell(chat, StreamEventName.AUDIENCE_CHANGED)
    assert in_room(chat, people) == set(people)


def test_whom_the_owner_dismisses_speaks_as_a_viewer_again_without_joining_anew(chat: ChatBackend) -> None:
    mia = chat.signed_in("mia", "user-mia")

    def role() -> str:
        ack = chat.send(mia, "Who am I?")
        [event] = [each for each in chat.rooms.recent(chat.stream_id, None, 1) if each.seq == ack["seq"]]
        return event.user.role.value

    happen(chat, NameModerators((UserId("user-mia"),)))
    assert chat.join(mia)["you"]["role"] == role() == "moderator"
    happen(chat, NameModerators(()))
    eventually(lambda: role() == "viewer")
    happen(chat, NameModerators((UserId("user-mia"),)))
    eventually(lambda: role() == "moderator")


def test_who_may_be_in_the_room_no_more_cannot_speak_in_it_while_they_are(chat: ChatBackend) -> None:
    stranger, owner = chat.signed_in("stranger"), chat.signed_in("owner", chat.owner_id)
    for connection in (stranger, owner):
        chat.join(connection)

    def refusal(connection: str) -> str | None:
        code: str | None = chat.frame(connection, "send", text="Still here", nonce=new_id()).get("code")
        return code

    assert refusal(stranger) is None
    happen(chat, Configure(StreamSettings(private=True)))
    eventually(lambda: refusal(stranger) == "not_found")
    assert refusal(owner) is None
    happen(chat, Delete())
    eventually(lambda: refusal(owner) == "not_found")


def test_a_message_that_nobody_can_read_comes_back(chat: ChatBackend) -> None:
    answer = handler(queue_event(["{"]), None)
    assert answer["batchItemFailures"] == [{"itemIdentifier": "0"}]

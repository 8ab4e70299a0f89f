"""A room that turned private, or whose stream is gone, holds nobody in the end who may not be in it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from functions.chat_admission.handler import handler
from functions.chat_admission.wiring import wiring
from headwater.adapters.stream_controls import StreamControls
from headwater.broadcasts import Broadcasts
from headwater.contracts import StreamChanged
from headwater.domain.broadcast import StreamEventName, StreamSettings
from headwater.domain.broadcast_events import Configure, Delete, Event, NameViewers
from headwater.domain.ids import UserId
from tests.aws import STREAM_TABLE
from tests.chat_backend import ChatBackend, queue_event
from tests.factories import NOW
from tests.fakes import MemoryOutbox


@pytest.fixture(autouse=True)
def fresh_wiring() -> Iterator[None]:
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


def test_late_news_of_a_stream_that_is_public_again_puts_nobody_out(chat: ChatBackend) -> None:
    people = everybody(chat)
    happen(chat, Configure(StreamSettings(private=True)), Configure(StreamSettings()))
    tell(chat, StreamEventName.AUDIENCE_CHANGED)
    assert in_room(chat, people) == set(people)


def test_a_message_that_nobody_can_read_comes_back(chat: ChatBackend) -> None:
    answer = handler(queue_event(["{"]), None)
    assert answer["batchItemFailures"] == [{"itemIdentifier": "0"}]

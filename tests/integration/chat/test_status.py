"""A room is told what becomes of its stream."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from functions.chat_status.handler import handler
from functions.chat_status.wiring import wiring
from headwater.adapters.cache import cache_client
from headwater.contracts import BroadcastChanged
from headwater.domain.broadcast import BroadcastEventName, BroadcastState
from headwater.domain.ids import BroadcastId, StreamId, new_id
from tests.chat_backend import ChatBackend, queue_event
from tests.factories import NOW


@pytest.fixture(autouse=True)
def fresh_wiring() -> None:
    wiring.cache_clear()


def changed(chat: ChatBackend, broadcast_id: BroadcastId, sequence: int, state: str, **fields: Any) -> str:
    event = BroadcastChanged(
        **{
            "name": BroadcastEventName.LIVE,
            "stream_id": chat.stream_id,
            "owner_id": chat.owner_id,
            "broadcast_id": broadcast_id,
            "sequence": sequence,
            "occurred_at": NOW + sequence,
            "state": BroadcastState(state),
            "public": True,
            "record": True,
            "started_at": NOW,
            "live_at": NOW,
            **fields,
        }
    )
    envelope = {"version": "0", "source": "headwater.broadcasts", "detail-type": event.name, "detail": event}
    return msgspec.json.encode(envelope).decode()


def told(chat: ChatBackend, connection: str) -> list[str]:
    chat.deliver()
    return [event["status"] for event in chat.endpoint.events(connection) if event["type"] == "stream_status"]


def test_each_change_is_told_once_and_in_order_however_it_comes(chat: ChatBackend) -> None:
    _, reader = chat.connect()
    start = chat.join(reader)["seq"]
    first, second = BroadcastId(new_id()), BroadcastId(new_id())
    if first > second:
        first, second = second, first
    bodies = [
        changed(chat, first, 1, "starting", live_at=None),
        changed(chat, first, 2, "live"),
        changed(chat, first, 2, "live"),
        changed(chat, first, 4, "live"),
        changed(chat, first, 3, "interrupted"),
        changed(chat, first, 5, "interrupted"),
        changed(chat, first, 6, "live"),
        changed(chat, first, 7, "ended"),
        changed(chat, first, 8, "ended"),
        changed(chat, second, 2, "live"),
        changed(chat, first, 9, "ended"),
    ]
    for _ in range(2):
        for body in bodies:
            assert handler(queue_event([body]), None) == {"batchItemFailures": []}
    assert told(chat, reader) == ["live", "interrupted", "live", "offline", "live"]
    assert chat.endpoint.events(reader)[0] == {
        "type": "stream_status",
        "seq": start + 1,
        "status": "live",
        "at": "2027-01-15T08:00:00.002Z",
    }


def test_a_preview_is_nobodys_business(chat: ChatBackend) -> None:
    _, reader = chat.connect()
    chat.join(reader)
    broadcast_id = BroadcastId(new_id())
    handler(queue_event([changed(chat, broadcast_id, 1, "live", public=False)]), None)
    assert told(chat, reader) == []
    handler(queue_event([changed(chat, broadcast_id, 2, "live")]), None)
    assert told(chat, reader) == ["live"]


def test_what_could_not_be_handed_on_is_made_good(chat: ChatBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    _, reader = chat.connect()
    chat.join(reader)
    body = changed(chat, BroadcastId(new_id()), 2, "live")
    monkeypatch.setenv("CHAT_DELIVERY_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/none.fifo")
    assert handler(queue_event([body, "not json"]), None)["batchItemFailures"] == [
        {"itemIdentifier": "0"},
        {"itemIdentifier": "1"},
    ]
    monkeypatch.setenv("CHAT_DELIVERY_QUEUE_URL", chat.delivery_queue)
    wiring.cache_clear()
    assert handler(queue_event([body]), None) == {"batchItemFailures": []}
    assert told(chat, reader) == ["live"]


def test_a_room_that_nobody_ever_joined_costs_two_keys_that_expire(chat: ChatBackend) -> None:
    stream_id = StreamId(new_id())
    body = changed(chat, BroadcastId(new_id()), 2, "live", stream_id=stream_id)
    handler(queue_event([body]), None)
    client = cache_client(chat.cache_url)
    keys = client.keys(f"*{stream_id}*", target_nodes="all")
    assert sorted(keys) == [f"room:{{{stream_id}}}:log", f"room:{{{stream_id}}}:state"]
    assert all(client.ttl(key) > 0 for key in keys)

"""Delivery of a room's events to its connections, through real HTTP, when things go wrong."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from functions.chat_delivery.handler import handler
from headwater.adapters import connection_posts
from headwater.adapters.cache import cache_client
from headwater.contracts import ChatDelivery, encode
from headwater.domain.chat_rounds import SLOWEST_PACE_MS
from headwater.domain.ids import ConnectionId, StreamId, UserId, new_id
from headwater.domain.server_frames import StreamStatusEvent
from tests.chat_backend import PACE, ChatBackend, queue_event


@pytest.fixture
def soon_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that does not answer is waited for as long as the product does."""
    monkeypatch.setattr(connection_posts, "POST_SECONDS", 2.0)


def test_a_burst_goes_out_in_few_frames_in_order(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    sent = [chat.send(ada, f"{n}")["seq"] for n in range(100)]
    chat.deliver()
    assert [event["seq"] for event in chat.endpoint.events(ada)] == sent
    assert len(chat.endpoint.frames[ada]) == 1


def test_a_busy_room_gets_at_most_four_frames_a_second(chat: ChatBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACE, "slowest_pace_ms", SLOWEST_PACE_MS)
    ada = chat.signed_in("ada")
    chat.join(ada)
    began = time.monotonic()
    for n in range(6):
        chat.send(ada, str(n))
        chat.deliver()
    assert len(chat.endpoint.frames[ada]) == 6, "each in a run of its own"
    assert time.monotonic() - began >= 5 * 0.25


def test_no_frame_is_larger_than_the_gateway_takes(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    sent = [chat.send(ada, "\U0001f30a" * 500)["seq"] for _ in range(40)]
    chat.deliver()
    assert [event["seq"] for event in chat.endpoint.events(ada)] == sent
    assert max(len(frame.encode()) for frame in chat.endpoint.frames[ada]) <= 32 * 1024


@pytest.mark.parametrize("times", [2, 5])
def test_a_hint_that_comes_again_delivers_nothing_again(chat: ChatBackend, times: int) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    for n in range(3):
        chat.send(ada, str(n))
        chat.deliver(times)
    assert [event["text"] for event in chat.endpoint.events(ada)] == ["0", "1", "2"]


def test_a_lost_hint_delays_its_message_only_until_the_next(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    chat.send(ada, "hint lost")
    chat.hints()
    cache_client(chat.cache_url).hset(f"room:{{{chat.stream_id}}}:state", "hinted:0", "1")  # long ago
    chat.send(ada, "hint kept")
    chat.deliver()
    assert [event["text"] for event in chat.endpoint.events(ada)] == ["hint lost", "hint kept"]


def test_people_talking_at_once_are_heard_by_all_in_the_same_order_without_holes(chat: ChatBackend) -> None:
    speakers = [chat.signed_in(f"user{n}") for n in range(4)]
    listeners = [chat.connect()[1] for _ in range(3)]
    start = 0
    for connection in (*speakers, *listeners):
        start = chat.join(connection)["seq"]
    over = threading.Event()

    def keep_delivering() -> None:
        while not over.is_set():
            chat.deliver(times=random.randint(1, 3))

    delivering = threading.Thread(target=keep_delivering)
    delivering.start()
    try:
        with ThreadPoolExecutor(len(speakers)) as pool:
            list(pool.map(lambda speaker: [chat.send(speaker, f"{speaker} {n}") for n in range(15)], speakers))
    finally:
        over.set()
        delivering.join()
    chat.deliver()
    for connection in (*speakers, *listeners):
        # A run that fails ends before its cursor moved, and the next one repeats.
        events = chat.endpoint.applied_events(connection)
        assert [event["seq"] for event in events] == list(range(start + 1, start + 61))
        for speaker in speakers:
            assert [e["text"] for e in events if e["text"].startswith(speaker)] == [f"{speaker} {n}" for n in range(15)]


def test_a_connection_that_is_gone_is_deleted_at_once(chat: ChatBackend) -> None:
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    chat.join(ada)
    chat.join(ben)
    chat.endpoint.gone.add(ben)
    chat.send(ada, "anybody?")
    assert chat.deliver() == []
    assert [member.connection_id for member in chat.connections.members(chat.stream_id)] == [ada]
    chat.send(ada, "only me")
    chat.deliver()
    assert chat.endpoint.attempts[ben] == 1
    assert len(chat.endpoint.events(ada)) == 2


@pytest.mark.usefixtures("soon_given_up")
def test_a_hanging_connection_delays_nobody_and_is_closed(chat: ChatBackend) -> None:
    ada, ben, cem = (chat.signed_in(name) for name in ("ada", "ben", "cem"))
    for connection in (ada, ben, cem):
        chat.join(connection)
    chat.endpoint.hanging.add(ben)
    first = chat.send(ada, "first")["seq"]
    hints = chat.hints()
    run = threading.Thread(target=handler, args=(queue_event(hints), None))
    run.start()
    try:
        # While the run still waits for the one that hangs, newer messages go out to the others.
        second = chat.send(ada, "second")["seq"]
        wait_until(lambda: [event["seq"] for event in chat.endpoint.events(cem)] == [first, second])
        assert run.is_alive()
    finally:
        run.join()
    assert [event["seq"] for event in chat.endpoint.events(ada)] == [first, second]
    assert chat.endpoint.closed == [ben]
    assert {member.connection_id for member in chat.connections.members(chat.stream_id)} == {ada, cem}


@pytest.mark.usefixtures("soon_given_up")
def test_a_connection_that_can_neither_be_reached_nor_closed_is_forgotten(chat: ChatBackend) -> None:
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    chat.join(ada)
    chat.join(ben)
    chat.endpoint.hanging.add(ben)
    chat.endpoint.hanging_on_close.add(ben)
    chat.send(ada, "hello")
    assert chat.deliver() == []
    assert [member.connection_id for member in chat.connections.members(chat.stream_id)] == [ada]


@pytest.mark.usefixtures("soon_given_up")
def test_a_lone_hanging_connection_does_not_block_its_room(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    chat.endpoint.hanging.add(ada)
    chat.send(ada, "hello")
    assert chat.deliver() == []
    assert list(chat.connections.members(chat.stream_id)) == []


@pytest.mark.parametrize("statuses", [[429, 429], [500], [503, 429]])
def test_a_throttled_post_is_tried_again(chat: ChatBackend, statuses: list[int]) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    chat.endpoint.failing[ada] = statuses
    chat.send(ada, "at last")
    assert chat.deliver() == []
    assert [event["text"] for event in chat.endpoint.events(ada)] == ["at last"]


def test_frames_that_we_may_not_send_cost_nobody_the_room_and_come_again(chat: ChatBackend) -> None:
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    chat.join(ada)
    chat.join(ben)
    chat.endpoint.refusing = 403
    chat.send(ada, "patience")
    hints = chat.hints()
    assert handler(queue_event(hints), None)["batchItemFailures"] == [{"itemIdentifier": "0"}]
    assert len(list(chat.connections.members(chat.stream_id))) == 2
    chat.endpoint.refusing = None
    assert handler(queue_event(hints), None) == {"batchItemFailures": []}
    assert [event["text"] for event in chat.endpoint.events(ben)] == ["patience"]


def test_one_room_that_fails_leaves_the_others_alone(chat: ChatBackend) -> None:
    other = StreamId(new_id())
    chat.create_stream(other, UserId(new_id()))
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    chat.join(ada)
    chat.join(ben, stream_id=other)
    chat.send(ada, "fails")
    chat.send(ben, "works", stream_id=other)
    chat.endpoint.failing[ada] = [403]
    bodies = [encode(ChatDelivery(stream_id=stream_id)) for stream_id in (chat.stream_id, other)]
    answer = handler(queue_event([*bodies, "not json"]), None)
    assert {item["itemIdentifier"] for item in answer["batchItemFailures"]} == {"0", "2"}
    assert [event["text"] for event in chat.endpoint.events(ben)] == ["works"]


def test_rooms_do_not_hear_each_other(chat: ChatBackend) -> None:
    other = StreamId(new_id())
    chat.create_stream(other, UserId(new_id()))
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    chat.join(ada)
    chat.join(ben, stream_id=other)
    chat.send(ada, "here")
    chat.deliver()
    assert chat.endpoint.events(ben) == []


def test_what_the_frame_joined_held_is_not_sent_again(chat: ChatBackend) -> None:
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    chat.join(ada)
    chat.send(ada, "accepted, not yet delivered")
    assert len(chat.join(ben)["messages"]) == 1
    chat.send(ada, "newer")
    chat.deliver()
    assert [event["text"] for event in chat.endpoint.events(ben)] == ["newer"]
    assert len(chat.endpoint.events(ada)) == 2


def test_a_run_that_died_before_it_moved_the_cursor_is_made_good(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    start = chat.join(ada)["seq"]
    chat.send(ada, "twice at worst")
    hints = chat.hints()
    handler(queue_event(hints), None)
    cache_client(chat.cache_url).hset(f"room:{{{chat.stream_id}}}:state", "delivered:0", str(start))
    handler(queue_event(hints), None)
    assert [event["seq"] for event in chat.endpoint.events(ada)] == [start + 1, start + 1]


def test_many_frames_share_few_wires_and_every_request_is_signed(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    for n in range(20):
        chat.send(ada, str(n))
        chat.deliver()
    assert chat.endpoint.wires == 1
    assert len(chat.endpoint.requests) == 20
    assert all("AWS4-HMAC-SHA256 Credential=" in request["authorization"] for request in chat.endpoint.requests)


def test_a_hint_of_a_room_that_nobody_is_in_is_done(chat: ChatBackend) -> None:
    body = encode(ChatDelivery(stream_id=StreamId(new_id())))
    assert handler(queue_event([body]), None) == {"batchItemFailures": []}
    ada = chat.signed_in("ada")
    chat.join(ada)
    chat.send(ada, "and I am off")
    chat.connections.close(ConnectionId(ada))
    assert chat.deliver() == []


def test_the_latest_messages_can_be_read_backwards_by_page(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    sent = [chat.send(ada, str(n))["seq"] for n in range(5)]
    chat.rooms.append(chat.stream_id, StreamStatusEvent(status="live", at="2027-01-15T08:00:00.000Z"))
    page = chat.rooms.recent(chat.stream_id, None, 3)
    assert [message.seq for message in page] == sent[:1:-1]
    assert isinstance(page[-1].seq, int)
    assert [message.seq for message in chat.rooms.recent(chat.stream_id, page[-1].seq, 3)] == sent[1::-1]
    assert msgspec.to_builtins(page[0])["user"]["username"] == "ada"


def wait_until(condition: object, seconds: float = 60) -> None:
    assert callable(condition)
    over = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        over.wait(0.01)
    raise AssertionError("it never came true")

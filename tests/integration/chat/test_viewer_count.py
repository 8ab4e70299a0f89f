"""A room knows how many watch, also when nobody is left who would say so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from functions.chat_status import wiring as status_wiring
from functions.chat_status.handler import handler
from headwater.adapters.audience_watch import AudienceWatch
from headwater.adapters.cache import cache_client
from headwater.adapters.chat_delivery_queue import ChatDeliveryQueue
from headwater.adapters.chat_rounds import ChatRounds
from headwater.adapters.presence import Presence
from headwater.adapters.queues import MessageQueue
from headwater.adapters.room_audience import RoomAudience
from headwater.broadcasts import unix_ms
from headwater.contracts import Message, encode
from headwater.domain.playback_session import HEARTBEAT_SECONDS, PRESENCE_SECONDS
from tests.chat_backend import PACE, ChatBackend, queue_event


class Audience:
    """Viewers of the room's stream as the API hears of them; time passes, and the queue delivers, when a test says so."""

    def __init__(self, chat: ChatBackend, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chat = chat
        self.now_ms = unix_ms()
        self.queued: list[tuple[int, str]] = []  # when it is due, and what
        self.presence = Presence(lambda: cache_client(chat.cache_url))
        watch = AudienceWatch(lambda: cache_client(chat.cache_url), MessageQueue(chat.status_queue))
        delivery = ChatDeliveryQueue(chat.delivery_queue, ChatRounds(chat.cache_url))
        self.room = RoomAudience(chat.rooms, lambda: delivery, lambda: watch)
        monkeypatch.setattr(status_wiring, "unix_ms", lambda: self.now_ms)
        monkeypatch.setattr(MessageQueue, "send", self._send)
        _, self.reader = chat.connect()
        chat.join(self.reader)

    def _send(self, message: Message, *, delay_seconds: int = 0) -> None:
        self.queued.append((self.now_ms + delay_seconds * 1000, encode(message)))

    def beats(self, session_id: str) -> None:
        sample = self.presence.beat(self.chat.stream_id, session_id, self.now_ms)
        if sample is not None:
            self.room.tell(self.chat.stream_id, sample.viewers)

    def passes(self, seconds: int, times: int = 1) -> None:
        """Each message that is due comes, so often."""
        self.now_ms += seconds * 1000
        due = [body for at, body in self.queued if at <= self.now_ms]
        self.queued = [(at, body) for at, body in self.queued if at > self.now_ms]
        for body in due * times:
            assert handler(queue_event([body]), None) == {"batchItemFailures": []}

    def told(self) -> list[int]:
        self.chat.deliver()
        events: list[dict[str, Any]] = self.chat.endpoint.events(self.reader)
        return [event["viewers"] for event in events if event["type"] == "viewer_count"]


@pytest.fixture
def audience(chat: ChatBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[Audience]:
    monkeypatch.setitem(PACE, "figures_ms", 0)
    status_wiring.wiring.cache_clear()
    yield Audience(chat, monkeypatch)
    status_wiring.wiring.cache_clear()


def test_when_the_last_viewer_leaves_the_room_is_told_that_nobody_watches(audience: Audience) -> None:
    audience.beats("s1")
    assert audience.told() == [1]
    for _ in range(6):
        audience.passes(HEARTBEAT_SECONDS)
        audience.beats("s1")
    assert audience.told() == [1]
    audience.passes(PRESENCE_SECONDS - 1)
    assert audience.told() == [1], "they may yet be heard of"
    for _ in range(3):
        audience.passes(1)
    assert audience.told() == [1, 0]
    assert audience.queued == [], "nobody looks at what nobody watches"


def test_one_message_looks_at_a_stream_however_often_the_queue_delivers_it(audience: Audience) -> None:
    audience.beats("s1")
    for _ in range(4):
        for _ in range(4):
            audience.passes(HEARTBEAT_SECONDS, times=3)
            audience.beats("s1")
        assert len(audience.queued) == 1


def test_who_comes_after_the_last_one_left_is_counted_anew_also_when_the_cache_was_lost(audience: Audience) -> None:
    audience.beats("s1")
    assert audience.told() == [1]
    audience.passes(PRESENCE_SECONDS + 1)
    assert audience.told() == [1, 0]
    cache_client(audience.chat.cache_url).delete(f"presence:{{{audience.chat.stream_id}}}:sampled")
    audience.beats("s2")
    assert (audience.told(), len(audience.queued)) == ([1, 0, 1], 1)
    audience.chat.flush()
    audience.chat.join(audience.reader)
    audience.passes(PRESENCE_SECONDS + 1)
    assert audience.queued == []
    audience.beats("s3")
    assert (audience.told()[-1], len(audience.queued)) == (1, 1)

"""Nothing is lost, repeated or out of order at a client, whatever connections, posts and the queue do.

As many messages as a few seconds take; HEADWATER_SOAK=1 makes it 100,000.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from functions.chat_delivery import deliver_shards
from functions.chat_delivery.deliver_shards import DeliverShards
from headwater.adapters import chat_delivery_queue, chat_seats
from headwater.adapters.chat_connections import ChatConnections
from headwater.adapters.chat_delivery_queue import ChatDeliveryQueue
from headwater.adapters.chat_rooms import ChatRooms
from headwater.adapters.chat_rounds import ChatRounds
from headwater.adapters.chat_seats import ChatSeats
from headwater.adapters.connection_posts import PostingLoop
from headwater.contracts import ChatDelivery, decode
from headwater.domain.chat_rounds import Shard
from headwater.domain.ids import StreamId, UserId, new_id
from headwater.domain.server_frames import StreamStatusEvent
from tests.chat_backend import CONNECTION_TABLE, ChatBackend
from tests.fast_connections import fast_connections

SOAKING = os.environ.get("HEADWATER_SOAK") == "1"
MOST_MESSAGES, MOST_SECONDS = (100_000, 3_000) if SOAKING else (4_000, 12)
ROOMS, CLIENTS_OF_A_ROOM, SHARD_CONNECTIONS = 4, 8, 3
DYING, THROTTLED, REFUSED = 0.01, 0.01, 0.0005  # of posts
REPEATED, MOST_DELIVERIES = 0.2, 5  # of a queue's messages
HINTS_LOST = 0.01  # whoever appended died before it sent one
FURTHEST_BEHIND = 300  # events; the log keeps a thousand


class FifoQueue:
    """SQS: in order within a group, one batch of a group at a time, each message at least once."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._groups: defaultdict[str, deque[tuple[str, int]]] = defaultdict(deque)
        self._in_flight: set[str] = set()
        self._lock = threading.Lock()

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, str]]) -> dict[str, Any]:  # noqa: N803
        with self._lock:
            for entry in Entries:
                self._groups[entry["MessageGroupId"]].append((entry["MessageBody"], 1))
        return {}

    @contextmanager
    def batch(self) -> Iterator[tuple[dict[str, Shard], set[str]]]:
        """Groups in any order, with the shard that each asks for; those that are put into the set are handed out again."""
        with self._lock:
            groups = [name for name, messages in self._groups.items() if messages and name not in self._in_flight]
            taken = self._chance.sample(groups, min(len(groups), self._chance.randint(1, 10)))
            self._in_flight.update(taken)
            hints = {name: decode(self._groups[name][0][0], ChatDelivery) for name in taken}
        failed: set[str] = set()
        try:
            yield {name: Shard(hint.stream_id, hint.shard) for name, hint in hints.items()}, failed
        finally:
            with self._lock:
                for name in taken:
                    body, times = self._groups[name].popleft()
                    repeated = times < MOST_DELIVERIES and self._chance.random() < REPEATED
                    if name in failed or repeated:
                        self._groups[name].appendleft((body, times + 1))
                self._in_flight.difference_update(taken)

    @property
    def is_empty(self) -> bool:
        with self._lock:
            return not any(self._groups.values())


class Client:
    """What web/chat-client.js does: hands on what is next in order, holds back what is not, asks again for what is missing."""

    def __init__(self, stream_id: StreamId) -> None:
        self.stream_id = stream_id
        self.connection_id = ""
        self.seq: int | None = None
        self.applied: list[tuple[int, str]] = []
        self.held_back: dict[int, str] = {}

    def take(self, frame: dict[str, Any]) -> None:
        assert frame["type"] in ("joined", "events"), frame
        assert not frame.get("gap"), "nothing was lost that a client cannot get"
        if frame["type"] == "joined" and self.seq is None:
            self.seq = frame["seq"]
        for event in frame["events"] if frame["type"] == "events" else frame["messages"]:
            self.held_back[event["seq"]] = event["status"]
        if self.seq is None:
            return
        while self.seq + 1 in self.held_back:
            self.seq += 1
            self.applied.append((self.seq, self.held_back.pop(self.seq)))
        self.held_back = {seq: text for seq, text in self.held_back.items() if seq > self.seq}


class Clients:
    """All of them, and the network between them and us."""

    def __init__(self, chat: ChatBackend, chance: random.Random) -> None:
        self._chat = chat
        self._chance = chance
        self._lock = threading.RLock()
        self._by_connection: dict[str, Client] = {}
        self._to_resume: deque[Client] = deque()
        self.all: list[Client] = []
        self.posts = self.deaths = self.throttled = 0

    def come(self, stream_id: StreamId) -> None:
        client = Client(stream_id)
        self.all.append(client)
        self._join(client)

    def answer(self, method: str, connection_id: str, frame: str) -> int:
        """What `@connections` says to a post."""
        with self._lock:
            client = self._by_connection.get(connection_id)
            if client is None:
                return 410
            self.posts += 1
            luck = self._chance.random()
            if luck < DYING:
                self.deaths += 1
                del self._by_connection[connection_id]
                self._to_resume.append(client)
                return 410
            if luck < DYING + THROTTLED:
                self.throttled += 1
                return 429
            if luck < DYING + THROTTLED + REFUSED:
                return 403
            client.take(msgspec.json.decode(frame))
            return 200

    def resume_dropped(self) -> None:
        """By a new connection, after the last event that the client has."""
        while self._to_resume:
            client = self._to_resume.popleft()
            self._join(client)

    def ask_for_holes(self) -> None:
        """As a client does when what is missing has not come for a while."""
        for client in self.all:
            if client.held_back:
                self._join(client)

    def furthest_behind(self, newest: Mapping[StreamId, int]) -> int:
        return max(newest[client.stream_id] - (client.seq or 0) for client in self.all)

    def _join(self, client: Client) -> None:
        with self._lock:
            client_is_known = client.connection_id in self._by_connection
        if not client_is_known:
            status, client.connection_id = self._chat.connect()
            assert status == 200
            with self._lock:
                self._by_connection[client.connection_id] = client
        body: dict[str, Any] = {"action": "join", "stream_id": client.stream_id}
        if client.seq is not None:
            body["after_seq"] = client.seq
        answer = self._chat.say(client.connection_id, msgspec.json.encode(body).decode())
        if answer is not None:  # else it came in several frames, through `@connections`
            with self._lock:
                client.take(answer)


@pytest.mark.timeout(3_600 if SOAKING else 240)
def test_nothing_is_lost_repeated_or_out_of_order(chat: ChatBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown when it fails
    chance = random.Random(seed)
    monkeypatch.setattr(deliver_shards, "RUN_SECONDS", 0.3)  # so that runs take turns
    queue = FifoQueue(random.Random(seed + 1))
    monkeypatch.setattr(chat_delivery_queue, "aws", SimpleNamespace(client=lambda _: queue))
    clients = Clients(chat, random.Random(seed + 2))
    rooms = ChatRooms(chat.cache_url)
    rounds = ChatRounds(chat.cache_url, slowest_pace_ms=20)
    hints = ChatDeliveryQueue("queue", rounds)
    monkeypatch.setattr(chat_seats, "SHARD_CONNECTIONS", SHARD_CONNECTIONS)
    over = threading.Event()

    def deliver(url: str) -> None:
        """One of Lambda's environments."""
        loop = PostingLoop(url)
        connections = ChatConnections(CONNECTION_TABLE, ChatSeats(chat.cache_url))
        work = DeliverShards(rounds, connections, hints, loop.posts)
        try:
            while not over.is_set():
                with queue.batch() as (shards, failed):
                    reasons = loop.run(work(set(shards.values())))
                    failed.update(group for group, shard in shards.items() if shard in reasons)
                if not shards:
                    time.sleep(0.005)
        finally:
            loop.close()

    with fast_connections(clients.answer) as url, ThreadPoolExecutor(2) as environments:
        monkeypatch.setenv("CHAT_CALLBACK_URL", url)
        streams = [StreamId(new_id()) for _ in range(ROOMS)]
        for stream_id in streams:
            chat.create_stream(stream_id, UserId(new_id()))
        for stream_id in [each for each in streams for _ in range(CLIENTS_OF_A_ROOM)]:
            clients.come(stream_id)
        newest = {client.stream_id: client.seq or 0 for client in clients.all}
        said: dict[StreamId, list[tuple[int, str]]] = {stream_id: [] for stream_id in streams}
        running = [environments.submit(deliver, url) for _ in range(2)]
        try:
            enough = time.monotonic() + MOST_SECONDS
            for number in range(MOST_MESSAGES):
                if time.monotonic() > enough:
                    break
                stream_id = chance.choice(streams)
                seq = rooms.append(stream_id, StreamStatusEvent(status=str(number), at="now"))
                said[stream_id].append((seq, str(number)))
                newest[stream_id] = seq
                if chance.random() > HINTS_LOST:
                    hints.hint(stream_id, seq)
                while number % 50 == 0 and clients.furthest_behind(newest) > FURTHEST_BEHIND:
                    settle(clients, hints, newest)
                clients.resume_dropped()
            while not (queue.is_empty and clients.furthest_behind(newest) == 0):
                assert not any(each.done() for each in running), [each.exception() for each in running if each.done()]
                settle(clients, hints, newest)
        finally:
            over.set()
    for client in clients.all:
        assert client.applied == said[client.stream_id]
    messages = sum(map(len, said.values()))
    print(f"{messages} messages, {clients.posts} posts, {clients.deaths} deaths, {clients.throttled} throttled")


def settle(clients: Clients, hints: ChatDeliveryQueue, newest: Mapping[StreamId, int]) -> None:
    """As time passes: the dropped come back, the next message hints its room, and who misses something asks for it."""
    time.sleep(0.05)
    clients.resume_dropped()
    clients.ask_for_holes()
    for stream_id, seq in newest.items():
        hints.hint(stream_id, seq)

"""Rooms of simulated connections: ours, a naive one, socket.io's; and one in which somebody floods."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import msgspec

from bench.chat_run import CREDENTIALS
from bench.connections_stub import Seen
from bench.peers.socket_io import socket_io_room
from headwater.adapters.cache import cache_client
from headwater.adapters.chat_acceptance import ChatAcceptance, MessageRate
from headwater.adapters.chat_delivery_queue import ChatDeliveryQueue
from headwater.adapters.chat_rooms import ChatRooms
from headwater.adapters.chat_rounds import ChatRounds
from headwater.adapters.chat_seats import ChatSeats
from headwater.adapters.connection_posts import ConnectionPosts
from headwater.adapters.request_signing import RequestSigner
from headwater.adapters.room_scripts import standing_key
from headwater.contracts import ChatDelivery, encode
from headwater.domain.chat import Chatter, Membership, Room, RoomRole
from headwater.domain.chat_rounds import SHARD_CONNECTIONS, Shard
from headwater.domain.ids import ConnectionId, MessageId, StreamId, UserId, new_id
from headwater.domain.server_frames import MessageEvent, message_event
from headwater.errors import RateLimited

SECONDS = {1: 10.0, 10: 6.0, 100: 5.0}  # of sending, by messages a second
NAIVE_MOST_POSTS = 10_000  # what boto3 sends in ten seconds; a room that needs more it cannot serve
POSTS, BOTO_POSTS, POST_ROUNDS = 5_000, 500, 5
GIVE_UP_SECONDS = 15.0
TEXT = "what a play, did you see how she came from behind there"


@dataclass(frozen=True)
class Outcome:
    """One room at one rate. `delays`: from `send` to the last connection, seconds, of messages that all of them got."""

    connections: int
    rate: int
    messages: int
    delays: Sequence[float]
    posts: int = 0
    frame_bytes: int = 0
    runs: int = 0
    queue_messages: int = 0
    billed_seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        return len(self.delays) == self.messages

    def delay(self, share: float) -> str:
        if not self.is_complete:
            return "cannot keep up"
        return f"{1000 * percentile(self.delays, share):.0f} ms"


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


class Stub:
    """The endpoint that all posts go to, in a process of its own."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/chat"

    def seen(self) -> Seen:
        """Since the last time."""
        with urllib.request.urlopen(f"{self.url}/figures", timeout=60) as answer:  # noqa: S310 - our own
            return msgspec.json.decode(answer.read(), type=Seen)


@contextmanager
def connections_stub() -> Iterator[Stub]:
    command = [sys.executable, "-m", "bench.connections_stub"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Stub(int(process.stdout.readline()))
        finally:
            process.terminate()


# --- A post ---


def post_costs(stub: Stub) -> tuple[list[float], list[float]]:
    """Microseconds of CPU of this process for a post, by round: ours and boto3's."""
    frame = _frame([_message() for _ in range(20)])
    mine, theirs = [], []
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        posts = ConnectionPosts(stub.url, RequestSigner(lambda: CREDENTIALS, "eu-west-1", "execute-api"))
        client = _boto_client(stub)

        async def send(count: int) -> None:
            for start in range(0, count, SHARD_CONNECTIONS):
                names = [_connection(number) for number in range(start, start + SHARD_CONNECTIONS)]
                await asyncio.gather(*(posts.post(name, frame) for name in names))

        def send_with_boto() -> None:
            for number in range(BOTO_POSTS):
                client.post_to_connection(ConnectionId=_connection(number), Data=frame)

        runner.run(send(SHARD_CONNECTIONS))
        for _ in range(POST_ROUNDS):
            mine.append(_cpu(lambda: runner.run(send(POSTS))) / POSTS * 1e6)
            theirs.append(_cpu(send_with_boto) / BOTO_POSTS * 1e6)
        runner.run(posts.aclose())
    stub.seen()
    return mine, theirs


def _cpu(work: Callable[[], object]) -> float:
    before = os.times()
    work()
    after = os.times()
    return after.user + after.system - before.user - before.system


def _boto_client(stub: Stub) -> Any:
    session = boto3.Session(CREDENTIALS.access_key, CREDENTIALS.secret_key, CREDENTIALS.token, "eu-west-1")
    return session.client("apigatewaymanagementapi", endpoint_url=stub.url)


def _connection(number: int) -> ConnectionId:
    return ConnectionId(f"UqDTpcZfDoEC{number:05d}=")


def _message(text: str = TEXT) -> MessageEvent:
    chatter = Chatter(UserId(new_id()), "somebody_usual")
    return message_event(MessageId(new_id()), chatter, RoomRole.VIEWER, text, (), None, time.time_ns() // 1_000_000)


def _frame(messages: Sequence[MessageEvent]) -> str:
    bodies = (msgspec.json.encode(each).decode() for each in messages)
    return f'{{"type":"events","stream_id":"{new_id()}","events":[{",".join(bodies)}]}}'


# --- A room ---


class PipedHints(ChatDeliveryQueue):
    """A queue whose other end is `bench.chat_run`."""

    def __init__(self, rounds: ChatRounds, process: subprocess.Popen[str]) -> None:
        super().__init__("", rounds)
        self._process = process

    def _send(self, shards: Sequence[Shard]) -> None:
        assert self._process.stdin is not None
        for shard in shards:
            self._process.stdin.write(encode(ChatDelivery(stream_id=shard.stream_id, shard=shard.number)) + "\n")
        self._process.stdin.flush()


def room(
    cache_url: str,
    stub: Stub,
    connections: int,
    rate: int,
    *,
    seconds: float | None = None,
    say: Callable[[StreamId, int], int] | None = None,
) -> Outcome:
    """`say` puts the n-th message into the room's log and answers its `seq`."""
    rooms, rounds, stream_id = ChatRooms(cache_url), ChatRounds(cache_url), StreamId(new_id())
    _seat(cache_url, stream_id, connections)
    stub.seen()
    sent: dict[int, float] = {}
    seconds = seconds or SECONDS[rate]
    with _delivery(cache_url, stub) as process:
        hints = PipedHints(rounds, process)
        began = time.time()
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, began + number / rate - time.time()))
            at = time.time()
            seq = rooms.append(stream_id, _message()) if say is None else say(stream_id, number)
            sent[seq] = at
            hints.hint(stream_id, seq)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        spent = json.loads(process.stdout.readline())
    seen = stub.seen()
    return Outcome(
        connections,
        rate,
        len(sent),
        _delays(sent, seen, connections),
        seen.posts,
        seen.frame_bytes,
        spent["runs"],
        spent["messages"],
        spent["billed"],
        spent["cpu"],
    )


@contextmanager
def _delivery(cache_url: str, stub: Stub) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench.chat_run", cache_url, stub.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it is ready: a cold start is measured elsewhere
            yield process
        finally:
            process.terminate()


def _seat(cache_url: str, stream_id: StreamId, connections: int) -> None:
    ChatRooms(cache_url).view(stream_id, after_seq=None)
    members = (
        Membership(_connection(number), None, 0, shard=number // SHARD_CONNECTIONS) for number in range(connections)
    )
    ChatSeats(cache_url).restore(stream_id, members)


def _delays(sent: Mapping[int, float], seen: Seen, connections: int) -> list[float]:
    """For each message that all connections got, the seconds until the last did."""
    arrivals: defaultdict[int, int] = defaultdict(int)
    complete: defaultdict[int, float] = defaultdict(float)
    for run in seen.runs.values():
        for seq in range(run.first, run.last + 1):
            arrivals[seq] += run.arrivals
            complete[seq] = max(complete[seq], run.complete_at)
    return [complete[seq] - at for seq, at in sent.items() if arrivals[seq] >= connections]


def naive_room(stub: Stub, connections: int, rate: int) -> Outcome | None:
    """What AWS's own chat sample does: whoever got a message posts it to one connection after the other. None: too much."""
    seconds = min(SECONDS[rate], NAIVE_MOST_POSTS / connections / rate)
    if rate * seconds < 3:
        return None
    sent: dict[int, float] = {}
    first = time.time_ns() // 1_000_000
    client = _boto_client(stub)  # which threads may share

    def send(number: int) -> None:
        message = msgspec.structs.replace(_message(), seq=first + number)
        frame = _frame([message])
        for connection in range(connections):
            client.post_to_connection(ConnectionId=_connection(connection), Data=frame)

    stub.seen()
    cpu = time.process_time()
    with ThreadPoolExecutor(8) as pool:
        began = time.time()
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, began + number / rate - time.time()))
            sent[first + number] = time.time()
            pool.submit(send, number)
    seen = stub.seen()
    late = time.time() - began > seconds + GIVE_UP_SECONDS
    delays = [] if late else _delays(sent, seen, connections)
    return Outcome(connections, rate, len(sent), delays, seen.posts, cpu_seconds=time.process_time() - cpu)


def socket_io(cache_url: str, connections: int, rate: int) -> Outcome:
    delays = socket_io_room(cache_url, connections, rate, SECONDS[rate], GIVE_UP_SECONDS)
    return Outcome(connections, rate, len(delays), [each for each in delays if each is not None])


# --- One who floods ---


def flooded(cache_url: str, stub: Stub, *, flooding: bool) -> Outcome:
    """500 people say 20 messages a second between them; another tries as often as his machine allows."""
    acceptance = ChatAcceptance(cache_url, room_rate=MessageRate(400, 12_000))
    stream = Room(UserId(new_id()))
    flooder = Chatter(UserId(new_id()), "flooder")
    over = threading.Event()
    refused = 0

    def accept(stream_id: StreamId, chatter: Chatter) -> int:
        cache_client(cache_url).hset(standing_key(stream_id, chatter.user_id), mapping={"until": "", "since": ""})
        accepted = acceptance.accept(stream_id, stream, chatter, new_id(), _message())
        assert accepted is not None and accepted.seq is not None
        return accepted.seq

    def flood(stream_id: StreamId) -> None:
        nonlocal refused
        while not over.is_set():
            try:
                accept(stream_id, flooder)
            except RateLimited:
                refused += 1

    threads: list[threading.Thread] = []

    def say(stream_id: StreamId, number: int) -> int:
        if flooding and not threads:
            threads.append(threading.Thread(target=flood, args=[stream_id]))
            threads[0].start()
        return accept(stream_id, Chatter(UserId(f"user{number % 500}"), "somebody"))

    try:
        outcome = room(cache_url, stub, 500, 20, seconds=8.0, say=say)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not flooding or refused > 100
    return outcome

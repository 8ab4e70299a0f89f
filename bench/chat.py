"""Chat: how soon a message is with the last of a room, what it costs, and what one who floods does to the others."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from bench.chat_rooms import (
    NAIVE_MOST_POSTS,
    Outcome,
    connections_stub,
    flooded,
    naive_room,
    percentile,
    post_costs,
    room,
    socket_io,
)
from bench.figures import Figure, Section, Table
from headwater.domain.chat_rounds import SHARD_CONNECTIONS
from infra.cost.viewing import BusyRoom, chat_lines
from tests.redis_server import redis_server

ROOMS, RATES = (10, 100, 1_000, 5_000), (1, 10, 100)
JUDGED, JUDGED_ROUNDS = (500, 10), 3
LARGE, LARGE_SECONDS = (10_000, 20), 40.0  # long enough that a round more or less at its ends does not count
NAIVE = "one post per message, boto3"


def run() -> Section:
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder)) as redis, connections_stub() as stub:
        posts, boto_posts = post_costs(stub)
        ours = {(size, rate): room(redis.url, stub, size, rate) for size in ROOMS for rate in RATES}
        naive = {key: naive_room(stub, *key) for key in ours}
        peer = {key: socket_io(redis.url, *key) for key in ours}
        judged = [room(redis.url, stub, *JUDGED) for _ in range(JUDGED_ROUNDS)]
        judged_peer = [socket_io(redis.url, *JUDGED) for _ in range(JUDGED_ROUNDS)]
        large = room(redis.url, stub, *LARGE, seconds=LARGE_SECONDS)
        usual, under_flood = (flooded(redis.url, stub, flooding=flooding) for flooding in (False, True))
    cost = chat_lines(_measured(large))
    figures = [
        Figure(name="CPU of a post", unit="µs", ours=posts, peer_name="boto3", peer=boto_posts, most=100),
        Figure(
            name=f"p99 to the last of {JUDGED[0]} connections, {JUDGED[1]} messages a second",
            unit="ms",
            ours=[1000 * percentile(each.delays, 0.99) for each in judged],
            peer_name="a socket.io room, Redis adapter",
            peer=[1000 * percentile(each.delays, 0.99) for each in judged_peer],
            most=350,
        ),
        *(
            Figure(
                name=f"posts per message and connection, {size} connections, 100 messages a second",
                unit="posts",
                ours=[ours[size, 100].posts / ours[size, 100].messages / size],
                peer_name=NAIVE,
                peer=[1.0],
                most_of_peer=0.05,
            )
            for size in ROOMS
        ),
        Figure(
            name=f"a viewer-hour, {LARGE[0]} viewers, {LARGE[1]} messages a second",
            unit="$",
            ours=[sum(dollars for _, dollars in cost)],
            peer_name=NAIVE,
            peer=[sum(dollars for _, dollars in chat_lines(_naively(_measured(large))))],
            most=0.004,
        ),
        Figure(
            name="p99 of the 500 users whom one floods out of their room",
            unit="ms",
            ours=[1000 * percentile(under_flood.delays, 0.99)],
            peer_name="without the flooder",
            peer=[1000 * percentile(usual.delays, 0.99)],
            most_of_peer=1.25,
        ),
    ]
    return Section(
        title="Chat",
        taken_on=date.today().isoformat(),  # noqa: DTZ011
        method=_METHOD,
        figures=figures,
        tables=[
            _delay_table(ours, naive, peer),
            _effort_table(ours, large),
            Table(
                title=f"A viewer-hour with {LARGE[0]} viewers and {LARGE[1]} messages a second, US dollars:",
                head=("for", "$"),
                rows=[(what, f"{dollars:.6f}") for what, dollars in cost],
            ),
        ],
    )


# --- What is told ---


def _measured(outcome: Outcome) -> BusyRoom:
    return BusyRoom(
        seconds=outcome.messages / outcome.rate,
        connections=outcome.connections,
        messages=outcome.messages,
        posts=outcome.posts,
        frame_bytes=outcome.frame_bytes,
        runs=outcome.runs,
        billed_seconds=outcome.billed_seconds,
        queue_messages=outcome.queue_messages,
        rounds=outcome.posts // SHARD_CONNECTIONS,
    )


def _naively(measured: BusyRoom, post_seconds: float = 0.001) -> BusyRoom:
    """A post for each message and connection, in one function call for each message; `post_seconds`: with boto3."""
    posts = measured.messages * measured.connections
    return replace(
        measured,
        posts=posts,
        runs=measured.messages,
        billed_seconds=posts * post_seconds,
        queue_messages=0,
        rounds=measured.messages,
    )


Key = tuple[int, int]


def _delay_table(
    ours: Mapping[Key, Outcome], naive: Mapping[Key, Outcome | None], peer: Mapping[Key, Outcome]
) -> Table:
    rows = []
    for (size, rate), mine in ours.items():
        others = (naive[size, rate], peer[size, rate])
        cells = [each.delay(share) if each else "not tried" for each in (mine, *others) for share in (0.5, 0.99)]
        rows.append((str(size), str(rate), *cells))
    head = ("connections", "messages/s", "p50", "p99", "naive p50", "p99", "socket.io p50", "p99")
    return Table(title="From `send` to the last connection of the room:", head=head, rows=rows)


def _effort_table(ours: Mapping[Key, Outcome], large: Outcome) -> Table:
    rows = [
        (
            str(each.connections),
            str(each.rate),
            f"{each.posts / each.messages:.1f}",
            f"{each.messages * each.connections / each.posts:.1f} ×",
            f"{1000 * each.billed_seconds / each.messages:.0f} ms",
            f"{1000 * each.cpu_seconds / each.messages:.1f} ms",
            f"{each.queue_messages / each.messages:.2f}",
        )
        for each in (*ours.values(), large)
    ]
    head = ("connections", "messages/s", "posts", "fewer than naive", "Lambda time", "its CPU", "queue messages")
    return Table(title="What one message takes to be delivered:", head=head, rows=rows)


_METHOD = (
    "Real redis-server. `@connections` is played by an endpoint of our own that answers at once, over HTTP without TLS, the "
    "queue by a pipe: what API Gateway, SQS and the network add is not in it. chat_delivery runs as it is, all its shards in "
    "one process on one core, with a warm interpreter. Naive is boto3, posting every message to one connection after the "
    f"other, eight messages at a time; where that would be more than {NAIVE_MOST_POSTS} posts in all, it is not tried. "
    "socket.io has two servers with the Redis adapter, viewers on one and the speaker on the other; its viewers are bare "
    "WebSockets. 'Cannot keep up': not everybody had everything 15 s after the end. A viewer-hour is extrapolated from the "
    "counts of forty seconds with AWS's on-demand list prices of us-east-1 (`infra/cost/`), data transfer included; "
    "naive there takes a millisecond of Lambda for a post."
)

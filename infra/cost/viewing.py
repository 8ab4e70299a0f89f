"""What somebody costs who watches for an hour, and who chats meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headwater.domain.ladder import AUDIO_BITS_PER_SECOND
from headwater.domain.playback_session import HEARTBEAT_SECONDS
from headwater.media.timeline import SEGMENT_SECONDS
from infra.cost.prices import price
from infra.cost.stream_hour import HOUR, RUNGS

# A player asks for picture and sound, each with its own playlist, once for every segment.
REQUESTS = 4 * HOUR / SEGMENT_SECONDS
HEARTBEATS = HOUR / HEARTBEAT_SECONDS
API_SECONDS, API_GB = 0.02, 1.73  # billed for a heartbeat: one script of the cache's and a signature

# Of chat. Billed for an accepted message: some five calls of cache, DynamoDB and SQS, each a few milliseconds.
DELIVERY_GB = 1.0  # memory of chat_delivery
SENDER_GB = 0.5  # of ws_chat
SENDER_SECONDS = 0.03


def gigabytes(bits_per_second: float) -> float:
    return (bits_per_second + AUDIO_BITS_PER_SECOND) * HOUR / 8e9


def lines(bits_per_second: float, *, edge_function: bool, firewall: bool) -> Sequence[tuple[str, float]]:
    """Of one who watches a rendition of `bits_per_second`: what it is for, and dollars per viewer-hour."""
    calls = HEARTBEATS * (price("HTTP API") + price("Lambda, request") + API_SECONDS * API_GB * price("Lambda, ARM"))
    found = [
        ("CloudFront, data out", gigabytes(bits_per_second) * price("CloudFront, data out")),
        ("CloudFront, requests", REQUESTS * price("CloudFront, HTTPS request")),
        ("heartbeats, which are the number of viewers", calls),
    ]
    if edge_function:
        each = price("CloudFront function") + price("CloudFront KeyValueStore")
        found.append(("CloudFront function and its store", REQUESTS * each))
    if firewall:
        found.append(("WAF", REQUESTS * price("WAF, request")))
    return found


RENDITIONS = tuple((rung.track_id, rung.bits_per_second) for rung in RUNGS)


@dataclass(frozen=True)
class BusyRoom:
    """A room of chat, for `seconds`, and what its delivery did: measured by `make bench`, or assumed."""

    seconds: float
    connections: int
    messages: int
    posts: int
    frame_bytes: int
    runs: int
    billed_seconds: float
    queue_messages: int
    rounds: int


def calm_room(connections: int = 100) -> BusyRoom:
    """One message in ten seconds, each brought to everybody by a run of its own: nothing is shared, so nothing is cheaper."""
    messages = HOUR // 10
    return BusyRoom(
        seconds=HOUR,
        connections=connections,
        messages=messages,
        posts=messages * connections,
        frame_bytes=messages * connections * 400,
        runs=messages,
        billed_seconds=messages * 0.1,
        queue_messages=messages,
        rounds=messages,
    )


def chat_lines(room: BusyRoom) -> Sequence[tuple[str, float]]:
    """What it is for, and dollars per viewer-hour."""
    share = HOUR / room.seconds / room.connections
    cache_units = room.messages * 15 + room.rounds * 60  # scripts and what they read; a round, its events (KB) too
    return (
        ("frames to viewers", room.posts * share * price("WebSocket API, message")),
        ("data to viewers", room.frame_bytes * share / 1e9 * price("data out to the internet")),
        ("connection minutes", 60 * price("WebSocket API, connection")),
        (
            "delivery: Lambda",
            share * (room.billed_seconds * DELIVERY_GB * price("Lambda, ARM") + room.runs * price("Lambda, request")),
        ),
        ("delivery: SQS", share * room.queue_messages * 3 * price("SQS FIFO")),  # sent, received, deleted
        (
            "messages: socket in and ack, Lambda, DynamoDB, archive queue",
            share
            * room.messages
            * (
                2 * price("WebSocket API, message")
                + SENDER_SECONDS * SENDER_GB * price("Lambda, ARM")
                + price("Lambda, request")
            )
            + share * room.messages * (2 * price("DynamoDB, read") + 3 * price("SQS")),
        ),
        ("cache", share * cache_units * price("ElastiCache Serverless, Valkey, unit")),
    )

"""What an hour of chat costs a viewer, by list price, from measured counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# On-demand list prices of us-east-1, first tier, without the free tier, US dollars:
# https://aws.amazon.com/api-gateway/pricing/ (WebSocket APIs; a message is metered in steps of 32 KB),
# https://aws.amazon.com/lambda/pricing/ (x86), https://aws.amazon.com/sqs/pricing/ (FIFO, standard),
# https://aws.amazon.com/elasticache/pricing/ (Serverless for Redis OSS), https://aws.amazon.com/dynamodb/pricing/ (on-demand),
# https://aws.amazon.com/ec2/pricing/on-demand/ (data transfer out to the internet).
SOCKET_MESSAGE = 1.00e-6
CONNECTION_MINUTE = 0.25e-6
LAMBDA_GB_SECOND = 1.66667e-5
LAMBDA_REQUEST = 0.20e-6
FIFO_REQUEST = 0.50e-6
QUEUE_REQUEST = 0.40e-6
CACHE_UNIT = 0.0034e-6  # one simple command, or a KB of data
TABLE_READ = 0.125e-6  # 4 KB, strongly consistent
GIGABYTE_OUT = 0.09

DELIVERY_GB = 1.0  # memory of chat_delivery, infra/stacks/chat.py
SENDER_GB = 0.5  # of ws_chat
# Billed for an accepted message: some five calls of cache, DynamoDB and SQS, each a few milliseconds.
SENDER_SECONDS = 0.03
HOUR = 3600


@dataclass(frozen=True)
class Measured:
    """A busy room, for `seconds`."""

    seconds: float
    connections: int
    messages: int
    posts: int
    frame_bytes: int
    runs: int
    billed_seconds: float
    queue_messages: int
    rounds: int


def of_an_hour(room: Measured) -> Sequence[tuple[str, float]]:
    """What it is for, and dollars per viewer-hour."""
    share = HOUR / room.seconds / room.connections
    cache_units = room.messages * 15 + room.rounds * 60  # scripts and what they read; a round, its events (KB) too
    return (
        ("frames to viewers", room.posts * share * SOCKET_MESSAGE),
        ("data to viewers", room.frame_bytes * share / 1e9 * GIGABYTE_OUT),
        ("connection minutes", 60 * CONNECTION_MINUTE),
        (
            "delivery: Lambda",
            share * (room.billed_seconds * DELIVERY_GB * LAMBDA_GB_SECOND + room.runs * LAMBDA_REQUEST),
        ),
        ("delivery: SQS", share * room.queue_messages * 3 * FIFO_REQUEST),  # sent, received, deleted
        (
            "messages: socket in and ack, Lambda, DynamoDB, archive queue",
            share
            * room.messages
            * (2 * SOCKET_MESSAGE + SENDER_SECONDS * SENDER_GB * LAMBDA_GB_SECOND + LAMBDA_REQUEST)
            + share * room.messages * (2 * TABLE_READ + 3 * QUEUE_REQUEST),
        ),
        ("cache", share * cache_units * CACHE_UNIT),
    )

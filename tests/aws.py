"""AWS by moto for tests of the control plane: one fresh account per test, with the tables, queues and bus of a deployment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto import mock_aws
from moto.dynamodb.models import DynamoDBBackend

from headwater.adapters import aws, dynamodb_tables, room_items, secrets

STREAM_TABLE = "streams"
LEASE_TABLE = "leases"
SEGMENT_TABLE = "timeline"
IDEMPOTENCY_TABLE = "answered"
ROOM_TABLE = "rooms"
EVENT_BUS = "headwater"
REGION = "eu-west-1"


@dataclass(frozen=True)
class Account:
    """What a deployment has: queue URLs by name, and `news_queue`, to which the bus delivers everything."""

    pulse_queue: str
    finalise_queue: str
    news_queue: str
    clients: dict[str, object] = field(default_factory=dict)


@contextmanager
def fresh_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    make_dynamodb_atomic(monkeypatch)
    with mock_aws():
        _forget()
        _create_tables()
        yield _create_messaging()
    _forget()


def make_dynamodb_atomic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of threads that touch one item at once, moto shows one what another has half written; DynamoDB never does."""
    lock = threading.RLock()

    def alone(call: Callable[..., Any]) -> Callable[..., Any]:
        def locked(*args: Any, **kwargs: Any) -> Any:
            with lock:
                return call(*args, **kwargs)

        return locked

    for name in ("get_item", "put_item", "update_item", "delete_item", "query", "transact_write_items"):
        monkeypatch.setattr(DynamoDBBackend, name, alone(getattr(DynamoDBBackend, name)))


def _forget() -> None:
    aws.forget_clients()
    dynamodb_tables.forget_connections()
    room_items.room_items.cache_clear()
    secrets.forget_secrets()


def _create_tables() -> None:
    dynamodb = aws.client("dynamodb")

    def create(name: str, keys: list[str], index: list[str] | None = None) -> None:
        def schema(names: list[str]) -> list[dict[str, str]]:
            return [{"AttributeName": n, "KeyType": kind} for n, kind in zip(names, ("HASH", "RANGE"), strict=False)]

        extra = {}
        if index:
            projection = {"ProjectionType": "KEYS_ONLY"}
            extra["GlobalSecondaryIndexes"] = [
                {"IndexName": index[0], "KeySchema": schema(index), "Projection": projection}
            ]
        dynamodb.create_table(
            TableName=name,
            KeySchema=schema(keys),
            AttributeDefinitions=[
                {"AttributeName": n, "AttributeType": "S"} for n in dict.fromkeys([*keys, *(index or [])])
            ],
            BillingMode="PAY_PER_REQUEST",
            **extra,
        )

    create(STREAM_TABLE, ["stream_id"], ["unsettled", "stream_id"])
    create(LEASE_TABLE, ["broadcast_id"])
    create(SEGMENT_TABLE, ["broadcast_id", "position"])
    create(IDEMPOTENCY_TABLE, ["id"])
    create(ROOM_TABLE, ["room", "item"])


def create_connection_table(name: str) -> None:
    keys = ("stream_id", "connection_id")
    aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": n, "KeyType": kind} for n, kind in zip(keys, ("HASH", "RANGE"), strict=True)],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in keys],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_connection",
                "KeySchema": [
                    {"AttributeName": "connection_id", "KeyType": "HASH"},
                    {"AttributeName": "stream_id", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )


def _create_messaging() -> Account:
    sqs, events = aws.client("sqs"), aws.client("events")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("pulse", "finalise", "news")}
    events.create_event_bus(Name=EVENT_BUS)
    events.put_rule(Name="all", EventBusName=EVENT_BUS, EventPattern='{"source": [{"prefix": "headwater."}]}')
    news_arn = sqs.get_queue_attributes(QueueUrl=urls["news"], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_targets(Rule="all", EventBusName=EVENT_BUS, Targets=[{"Id": "news", "Arn": news_arn}])
    return Account(pulse_queue=urls["pulse"], finalise_queue=urls["finalise"], news_queue=urls["news"])


def queue_record(message_id: str, body: str, *, receipt_handle: str = "none", receive_count: int = 1) -> dict[str, Any]:
    """One message of the queue `news` as Lambda's poller hands it over."""
    return {
        "messageId": message_id,
        "receiptHandle": receipt_handle,
        "body": body,
        "attributes": {"ApproximateReceiveCount": str(receive_count)},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:news",
        "awsRegion": REGION,
    }


def received(queue_url: str) -> list[str]:
    """The bodies of every message that can be received now, taken off the queue."""
    sqs, bodies = aws.client("sqs"), []
    while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return bodies

"""A message that failed comes again soon, and every further time a little later."""

from __future__ import annotations

import time
from typing import Any

import pytest

from headwater.adapters import aws
from headwater.adapters.redelivery import LONGEST_PAUSE_SECONDS, deliver_again, pause_seconds
from tests.aws import Account, fresh_account, queue_record


def hand_out(queue_url: str) -> list[dict[str, Any]]:
    """What Lambda's poller hands over, hidden from everybody else for a long time."""
    messages = aws.client("sqs").receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=3600,
        AttributeNames=["ApproximateReceiveCount"],
    )
    return [
        queue_record(
            message["MessageId"],
            message["Body"],
            receipt_handle=message["ReceiptHandle"],
            receive_count=int(message["Attributes"]["ApproximateReceiveCount"]),
        )
        for message in messages.get("Messages", [])
    ]


def test_a_message_that_failed_comes_again_within_seconds_and_no_other_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with fresh_account(monkeypatch) as account:
        for body in ("fails", "succeeds"):
            aws.client("sqs").send_message(QueueUrl=account.news_queue, MessageBody=body)
        records = hand_out(account.news_queue)
        failed = next(record["messageId"] for record in records if record["body"] == "fails")
        answer = deliver_again({"Records": records}, [failed])
        assert answer == {"batchItemFailures": [{"itemIdentifier": failed}]}
        [again] = first_to_come(account)
        assert (again["messageId"], again["attributes"]) == (failed, {"ApproximateReceiveCount": "2"})


def first_to_come(account: Account) -> list[dict[str, Any]]:
    for _ in range(100):
        if came := hand_out(account.news_queue):
            return came
        time.sleep(0.1)
    raise AssertionError("nothing came again")


def test_that_sqs_does_not_answer_costs_only_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with fresh_account(monkeypatch):
        record = {**queue_record("m0", ""), "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:gone"}
        assert deliver_again({"Records": [record]}, ["m0"]) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}


def test_pauses_grow_to_a_minute() -> None:
    assert [pause_seconds(count) for count in (1, 2, 3, 6, 7, 1000)] == [1, 2, 4, 32, LONGEST_PAUSE_SECONDS, 60]

"""Events as Lambda receives them."""

from __future__ import annotations

from typing import Any


def sqs_event(*bodies: str) -> dict[str, Any]:
    """A batch of SQS messages; the n-th has the id `message-n`, counted from 0."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": "handle",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:pulse",
                "awsRegion": "eu-west-1",
            }
            for number, body in enumerate(bodies)
        ]
    }

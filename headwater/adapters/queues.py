"""Every stage · an SQS queue that takes messages of headwater/contracts.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from headwater.adapters import aws
from headwater.contracts import Message, encode
from headwater.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class MessageQueue:
    def __init__(self, queue_url: str) -> None:
        self._queue_url = queue_url

    def send(self, message: Message, *, delay_seconds: int = 0) -> None:
        """Hand `message` over, to be delivered at least once. Raises DependencyUnavailable."""
        sqs: SQSClient = aws.client("sqs")
        try:
            sqs.send_message(QueueUrl=self._queue_url, MessageBody=encode(message), DelaySeconds=delay_seconds)
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable from error

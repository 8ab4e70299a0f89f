"""Stage 7 · the queue `chat-delivery`: hints that a room has something to deliver, in order for each room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from headwater.adapters import aws
from headwater.contracts import ChatDelivery, encode
from headwater.domain.ids import StreamId
from headwater.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class ChatDeliveryQueue:
    def __init__(self, queue_url: str) -> None:
        self._queue_url = queue_url

    def hint(self, stream_id: StreamId, seq: int) -> None:
        """The room has events up to `seq`. Raises DependencyUnavailable.

        SQS drops what it saw under the same deduplication id in the last five minutes. With the number in it, only a
        repetition of this very hint is dropped, never the one for a newer event.
        """
        sqs: SQSClient = aws.client("sqs")
        try:
            sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=encode(ChatDelivery(stream_id=stream_id)),
                MessageGroupId=stream_id,
                MessageDeduplicationId=f"{stream_id}-{seq}",
            )
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable from error

"""Stage 7 · what a queue's function answers about messages that it could not deal with, and how soon they come again.

Left alone, a message comes again when its queue's visibility time-out is over, which has to be long: six time-outs of the
function. A store that was away for a moment need not cost anybody a minute, so the first attempts follow one another
within seconds, and later ones as rarely as before.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from headwater.adapters import aws
from headwater.observability import count, logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

LONGEST_PAUSE_SECONDS = 60
_BATCH = 10  # the most that ChangeMessageVisibilityBatch takes


def deliver_again(event: Mapping[str, Any], message_ids: Collection[str]) -> dict[str, Any]:
    """The answer to a batch of SQS of which the messages `message_ids` failed (AWS: "Reporting batch item failures").

    They come again after 1, 2, 4 … 60 seconds, and at last to the dead-letter queue. Never raises.
    """
    failed = [record for record in event["Records"] if record["messageId"] in message_ids]
    try:
        _shorten_wait(failed)
    except (BotoCoreError, ClientError):
        logger().warning("messages come again later than they could", exc_info=True)
        count("RedeliveryNotHastened")
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in message_ids]}


def pause_seconds(receive_count: int) -> int:
    """How long a message that was handed out so often waits for the next time."""
    return int(min(LONGEST_PAUSE_SECONDS, 2 ** (receive_count - 1)))


def _shorten_wait(records: Sequence[Mapping[str, Any]]) -> None:
    """All of a batch are of one queue."""
    for start in range(0, len(records), _BATCH):
        entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
            {
                "Id": str(number),
                "ReceiptHandle": record["receiptHandle"],
                "VisibilityTimeout": pause_seconds(int(record["attributes"]["ApproximateReceiveCount"])),
            }
            for number, record in enumerate(records[start : start + _BATCH])
        ]
        sqs: SQSClient = aws.client("sqs")
        sqs.change_message_visibility_batch(QueueUrl=_queue_url(records[0]["eventSourceARN"]), Entries=entries)


@functools.cache
def _queue_url(queue_arn: str) -> str:
    *_, account, name = queue_arn.split(":")
    sqs: SQSClient = aws.client("sqs")
    return sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]

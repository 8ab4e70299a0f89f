"""Stage 7 · the queue `chat-delivery`: hints that a shard of a room has something to deliver, in order for each shard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from headwater.adapters import aws
from headwater.adapters.chat_rounds import ChatRounds
from headwater.contracts import ChatDelivery, encode
from headwater.domain.chat_rounds import Shard
from headwater.domain.ids import StreamId, new_id
from headwater.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

_BATCH = 10  # the most that SendMessageBatch takes


class ChatDeliveryQueue:
    """Every method raises DependencyUnavailable when the queue or the cache does not answer."""

    def __init__(self, queue_url: str, rounds: ChatRounds) -> None:
        self._queue_url = queue_url
        self._rounds = rounds

    def hint(self, stream_id: StreamId, seq: int | None = None) -> None:
        """The room has events up to `seq`, or figures: let it be delivered. Call it when they are in the cache.

        A shard that is at work finds them by itself. So in a busy room, nearly no message costs a hint.
        """
        shards = self._rounds.unhinted(stream_id, seq)
        if shards:
            self._send([Shard(stream_id, number) for number in shards])
            self._rounds.mark_hinted(stream_id, shards)

    def hint_anew(self, shard: Shard) -> None:
        """A run of this shard ends before all is sent: let another go on. The shard stays marked as at work."""
        self._send([shard])

    def _send(self, shards: Sequence[Shard]) -> None:
        sqs: SQSClient = aws.client("sqs")
        for start in range(0, len(shards), _BATCH):
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {
                    "Id": str(shard.number),
                    "MessageBody": encode(ChatDelivery(stream_id=shard.stream_id, shard=shard.number)),
                    "MessageGroupId": f"{shard.stream_id}#{shard.number}",
                    # One hint too many costs a look that finds nothing; one that SQS dropped could cost a message.
                    "MessageDeduplicationId": new_id(),
                }
                for shard in shards[start : start + _BATCH]
            ]
            try:
                answer = sqs.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            except (BotoCoreError, ClientError) as error:
                raise DependencyUnavailable from error
            if answer.get("Failed"):
                raise DependencyUnavailable("The queue `chat-delivery` did not take every hint.")

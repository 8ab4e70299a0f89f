"""A queue between two stages: encrypted, redelivering, and with a dead-letter queue that keeps what cannot be done."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config.stage import Stage

LONGEST_RETENTION = Duration.days(14)


class WorkQueue(Construct):
    """`attempts` is how often a message is handed out before it is set aside; `visibility_seconds` the time between;
    `delay_seconds` how long every message waits before it is handed out at all."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        visibility_seconds: int,
        attempts: int,
        fifo: bool = False,
        delay_seconds: int = 0,
    ) -> None:
        super().__init__(scope, construct_id)
        self.visibility_seconds = visibility_seconds
        kind = True if fifo else None  # CloudFormation refuses `FifoQueue: false`
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            fifo=kind,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=stage.require_tls,
            retention_period=LONGEST_RETENTION,
        )
        self.queue = sqs.Queue(
            self,
            "Queue",
            fifo=kind,
            # Without these, a FIFO queue takes 300 calls a second in all.
            deduplication_scope=sqs.DeduplicationScope.MESSAGE_GROUP if fifo else None,
            fifo_throughput_limit=sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID if fifo else None,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=stage.require_tls,
            delivery_delay=Duration.seconds(delay_seconds) if delay_seconds else None,
            visibility_timeout=Duration.seconds(visibility_seconds),
            retention_period=LONGEST_RETENTION,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=attempts),
        )

    @property
    def url(self) -> str:
        return self.queue.queue_url

    @property
    def arn(self) -> str:
        return self.queue.queue_arn

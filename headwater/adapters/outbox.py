"""Stages 2–4 · sends what was committed: news to EventBridge, pulses to SQS. At least once; receivers are idempotent."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from headwater.adapters import aws
from headwater.contracts import (
    EVENT_SOURCE,
    STREAM_EVENT_SOURCE,
    BroadcastChanged,
    BroadcastPulse,
    StreamChanged,
    encode,
)
from headwater.domain.broadcast import BroadcastNews, Pulse, StreamControl
from headwater.domain.ids import BroadcastId, StreamId
from headwater.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

_BATCH = 10  # the most that PutEvents and SendMessageBatch take

T = TypeVar("T")


class Outbox:
    """A `headwater.broadcasts.OutboxSender`."""

    def __init__(self, event_bus: str, pulse_queue_url: str) -> None:
        self._event_bus = event_bus
        self._pulse_queue_url = pulse_queue_url

    def connect(self) -> None:
        """Make the clients now, which takes some tenths of a second, and not when somebody waits for it."""
        aws.client("sqs")
        aws.client("events")

    def send(self, control: StreamControl) -> None:
        """Pulses first: they keep the broadcast alive. Raises DependencyUnavailable unless every entry was accepted."""
        try:
            self._send_pulses(control.stream_id, control.pulses)
            self._send_news(control)
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable from error

    def pulse(self, stream_id: StreamId, broadcast_id: BroadcastId) -> None:
        """A nudge from outside the chain: look at this broadcast now. Raises DependencyUnavailable."""
        sqs: SQSClient = aws.client("sqs")
        body = encode(BroadcastPulse(stream_id=stream_id, broadcast_id=broadcast_id))
        try:
            sqs.send_message(QueueUrl=self._pulse_queue_url, MessageBody=body)
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable from error

    def _send_pulses(self, stream_id: StreamId, pulses: tuple[Pulse, ...]) -> None:
        for batch in _batches(pulses):
            sqs: SQSClient = aws.client("sqs")
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {
                    "Id": str(number),
                    "MessageBody": encode(
                        BroadcastPulse(stream_id=stream_id, broadcast_id=pulse.broadcast_id, due=pulse.due)
                    ),
                    "DelaySeconds": -(-pulse.delay_ms // 1000),
                }
                for number, pulse in enumerate(batch)
            ]
            answer = sqs.send_message_batch(QueueUrl=self._pulse_queue_url, Entries=entries)
            if answer.get("Failed"):
                raise DependencyUnavailable

    def _send_news(self, control: StreamControl) -> None:
        told: list[tuple[str, BroadcastChanged | StreamChanged]] = [
            (EVENT_SOURCE, _changed(control, news)) for news in control.news
        ]
        told += [
            (
                STREAM_EVENT_SOURCE,
                StreamChanged(
                    name=news.name,
                    stream_id=control.stream_id,
                    occurred_at=news.occurred_at,
                    broadcast_id=news.broadcast_id,
                ),
            )
            for news in control.stream_news
        ]
        for batch in _batches(told):
            events: EventBridgeClient = aws.client("events")
            entries: list[PutEventsRequestEntryTypeDef] = [
                {
                    "EventBusName": self._event_bus,
                    "Source": source,
                    "DetailType": message.name.value,
                    "Detail": encode(message),
                }
                for source, message in batch
            ]
            # PutEvents answers 200 even when it refused entries, each for a reason of its own.
            if events.put_events(Entries=entries)["FailedEntryCount"]:
                raise DependencyUnavailable


def _changed(control: StreamControl, news: BroadcastNews) -> BroadcastChanged:
    broadcast = news.broadcast
    return BroadcastChanged(
        name=news.name,
        stream_id=control.stream_id,
        owner_id=control.owner_id,
        broadcast_id=broadcast.broadcast_id,
        sequence=broadcast.sequence,
        occurred_at=news.occurred_at,
        state=broadcast.state,
        public=broadcast.public,
        record=control.records(broadcast),
        started_at=broadcast.started_at,
        live_at=broadcast.live_at,
        ended_at=broadcast.ended_at,
        end_reason=broadcast.end_reason,
        end_detail=broadcast.end_detail,
        recording=broadcast.recording,
        duration_seconds=broadcast.duration_seconds,
        renditions=broadcast.renditions,
    )


def _batches(entries: Iterable[T]) -> Iterator[tuple[T, ...]]:
    remaining = iter(entries)
    return iter(lambda: tuple(itertools.islice(remaining, _BATCH)), ())

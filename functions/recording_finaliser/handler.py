"""Stage 4b · SQS `finalise` → recordings. A message that fails is redelivered alone, in the end to the dead-letter queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from functions.recording_finaliser.finalise_recording import finalise_recording
from functions.recording_finaliser.wiring import parts
from headwater.broadcasts import unix_ms
from headwater.contracts import FinaliseRecording, decode
from headwater.observability import count, emits_metrics, logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> Any:
    """Answers with the records to deliver again (`report_batch_item_failures`)."""
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, _finalise, processor, context)


def _finalise(record: SQSRecord) -> None:
    try:
        job = decode(record.body, FinaliseRecording)
        p = parts()
        result = finalise_recording(
            job, streams=p.streams, leases=p.leases, timelines=p.timelines, objects=p.objects, now_ms=unix_ms()
        )
    except Exception:
        logger().exception("recording not finalised", extra={"message_id": record.message_id})
        raise
    count(f"Recording{result.title()}".replace("_", ""))
    ids = {"stream_id": job.stream_id, "broadcast_id": job.broadcast_id}
    logger().info("recording finalised", extra={**ids, "result": result})

"""Stage 3 · Lambda on the `pulse` queue: each record is one broadcast, or the pool of waiting workers, to look at."""

from __future__ import annotations

from typing import Any

import msgspec
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from functions.transcode_dispatch.wire import LookAtPool, read_look
from functions.transcode_dispatch.wiring import look_at_broadcast, warm_workers
from headwater.observability import count, emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers with the records to deliver again (`report_batch_item_failures`)."""
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(  # type: ignore[return-value]
        event=event, record_handler=_look, processor=processor, context=context
    )


def _look(record: Any) -> None:
    try:
        look = read_look(record.body)
    except msgspec.DecodeError as error:  # ValidationError is one, too; delivering it again could not help
        logger().error("not a pulse", extra={"message_id": record.message_id, "reason": str(error)})
        count("MessageRefused")
        return
    if isinstance(look, LookAtPool):
        look = warm_workers().look(look)
    if look is not None:
        try:
            look_at_broadcast()(look)
        except Exception:
            ids = {"stream_id": look.stream_id, "broadcast_id": look.broadcast_id}
            logger().exception("pulse to be delivered again", extra=ids)
            raise

"""Stage 7 · SQS `account-data`: copies of one's own data, and the erasing of it, with partial batch answers."""

from __future__ import annotations

from typing import Any

from functions.account_data.wiring import perform
from headwater.adapters.redelivery import deliver_again
from headwater.contracts import AccountTask, decode
from headwater.observability import count, emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failed: list[str] = []
    for record in event["Records"]:
        try:
            perform(decode(record["body"], AccountTask))
        except Exception:
            logger().exception("account task not done", extra={"message_id": record["messageId"]})
            count("AccountTasksFailed")
            failed.append(record["messageId"])
    return deliver_again(event, failed)

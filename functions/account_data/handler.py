"""Stage 7 · SQS `account-data`: copies of one's own data, and the erasing of it, with partial batch answers; and, invoked
once a day with `{"action": "forget_old"}`, what is kept for a while only.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from functions.account_data.forget_old import forget_old
from functions.account_data.wiring import perform, unit_of_work
from headwater.adapters.redelivery import deliver_again
from headwater.contracts import AccountTask, decode
from headwater.observability import count, emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if event.get("action") == "forget_old":
        return {"sessions": forget_old(unit_of_work, datetime.now(UTC))}
    failed: list[str] = []
    for record in event["Records"]:
        try:
            perform(decode(record["body"], AccountTask))
        except Exception:
            logger().exception("account task not done", extra={"message_id": record["messageId"]})
            count("AccountTasksFailed")
            failed.append(record["messageId"])
    return deliver_again(event, failed)

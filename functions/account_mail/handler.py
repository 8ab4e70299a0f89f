"""Stage 7 · the queue `account-mail`: people who are to be written to."""

from __future__ import annotations

from typing import Any

from functions.account_mail.wiring import wiring
from headwater.adapters.redelivery import deliver_again
from headwater.contracts import AccountMailRequested, decode
from headwater.observability import count, emits_metrics, logger


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failed = []
    for record in event["Records"]:
        try:
            wiring().send_account_mail(decode(record["body"], AccountMailRequested))
        except Exception:
            logger().exception("account mail not sent", extra={"message_id": record["messageId"]})
            count("AccountMailFailed")
            failed.append(record["messageId"])
    return deliver_again(event, failed)

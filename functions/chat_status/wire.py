"""Stage 7 · a batch of the queue `chat-status`: EventBridge events, each with a `BroadcastChanged` in `detail`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from headwater.contracts import BroadcastChanged


class _Envelope(msgspec.Struct):
    detail: BroadcastChanged


def changed_in(record: dict[str, Any]) -> BroadcastChanged:
    """Raises msgspec.DecodeError."""
    return msgspec.json.decode(record["body"], type=_Envelope).detail


def failures(message_ids: Collection[str]) -> dict[str, Any]:
    """AWS: "Reporting batch item failures". What is named comes again, and at last to the dead-letter queue."""
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in message_ids]}

"""Stage 7 · a batch of the queue `chat-status`: EventBridge events, each with a `BroadcastChanged` in `detail`."""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.contracts import BroadcastChanged


class _Envelope(msgspec.Struct):
    detail: BroadcastChanged


def changed_in(record: dict[str, Any]) -> BroadcastChanged:
    """Raises msgspec.DecodeError."""
    return msgspec.json.decode(record["body"], type=_Envelope).detail

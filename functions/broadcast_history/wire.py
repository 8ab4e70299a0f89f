"""Stage 7 · SQS records that carry EventBridge events → `BroadcastChanged`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headwater.contracts import BroadcastChanged, decode_news


class Unreadable(ValueError):
    """A record that no redelivery can make readable; it ends among the dead letters, where somebody can look at it."""


def broadcast_changed(record: Mapping[str, Any]) -> BroadcastChanged:
    try:
        return decode_news(record["body"])
    except msgspec.MsgspecError as error:
        raise Unreadable(str(error)) from None

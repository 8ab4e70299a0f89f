"""Stage 7 · SQS records that carry EventBridge events → `BroadcastChanged`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headwater.contracts import BroadcastChanged


class _Envelope(msgspec.Struct, frozen=True):
    """An EventBridge event as a rule hands it to a queue; the rest of it says nothing that we need."""

    detail: BroadcastChanged


class Unreadable(ValueError):
    """A record that no redelivery can make readable; it ends among the dead letters, where somebody can look at it."""


def broadcast_changed(record: Mapping[str, Any]) -> BroadcastChanged:
    try:
        return msgspec.json.decode(record["body"], type=_Envelope).detail
    except msgspec.MsgspecError as error:
        raise Unreadable(str(error)) from None

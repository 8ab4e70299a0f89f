"""Stage 7 · the queue `chat-archive`: accepted messages, and what moderators did, on their way to PostgreSQL."""

from __future__ import annotations

from typing import Any

from functions.chat_archive.wire import entries_of
from functions.chat_archive.wiring import wiring
from headwater.adapters.redelivery import deliver_again
from headwater.observability import emits_metrics


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    entries, unreadable = entries_of(event)
    return deliver_again(event, [*unreadable, *wiring().archive_entries(entries)])

"""Stage 7 · write what was told about broadcasts into history, however late, often and unordered it was told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from functions.broadcast_history.wire import Unreadable, broadcast_changed
from headwater.contracts import BroadcastChanged
from headwater.errors import DependencyUnavailable
from headwater.observability import count, logger


class History(Protocol):
    def record(self, changed: BroadcastChanged) -> bool: ...


def record_broadcasts(
    records: Sequence[Mapping[str, Any]], unit_of_work: Callable[[], AbstractContextManager[History]]
) -> list[str]:
    """Write every record; answers with the ids of those that must be delivered again: all that are left when the
    database is away."""
    failed: list[str] = []
    for number, record in enumerate(records):
        try:
            changed = broadcast_changed(record)
            with unit_of_work() as history:
                known = history.record(changed)
        except DependencyUnavailable:
            logger().warning("the database is away, history waits", exc_info=True)
            count("HistoryUnavailable")
            return [*failed, *(waiting["messageId"] for waiting in records[number:])]
        except Unreadable:
            logger().exception("history record unreadable", extra={"message_id": record["messageId"]})
            count("HistoryUnreadable")
            failed.append(record["messageId"])
        except Exception:
            # One record that the database will not take must not hold up the others of its batch.
            logger().exception("history record not written", extra={"message_id": record["messageId"]})
            count("HistoryNotWritten")
            failed.append(record["messageId"])
        else:
            ids = {"stream_id": changed.stream_id, "broadcast_id": changed.broadcast_id}
            said = "history written" if known else "news of a stream that is gone"
            logger().info(said, extra={**ids, "news": changed.name, "sequence": changed.sequence})
    return failed

"""Stage 7 · write accepted messages to the archive, as many as the database takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from headwater.contracts import ChatMessageArchived
from headwater.errors import DependencyUnavailable
from headwater.observability import count, logger


class Archive(Protocol):
    def record(self, messages: Sequence[ChatMessageArchived]) -> None: ...


class ArchiveMessages:
    def __init__(self, unit_of_work: Callable[[], AbstractContextManager[Archive]]) -> None:
        """`unit_of_work` opens one transaction."""
        self._unit_of_work = unit_of_work

    def __call__(self, messages: Mapping[str, ChatMessageArchived]) -> Collection[str]:
        """The keys of those that were not written. All go in one transaction; if it fails, each gets one of its own."""
        try:
            self._record(list(messages.values()))
        except DependencyUnavailable:
            count("ArchiveUnavailable")
            return list(messages)
        except Exception:
            return [key for key, message in messages.items() if not self._recorded_alone(message)]
        return []

    def _recorded_alone(self, message: ChatMessageArchived) -> bool:
        try:
            self._record([message])
        except Exception:
            logger().exception("message not archived", extra={"message_id": message.message_id})
            count("MessagesNotArchived")
            return False
        return True

    def _record(self, messages: Sequence[ChatMessageArchived]) -> None:
        with self._unit_of_work() as archive:
            archive.record(messages)

"""Stage 7 · write accepted messages, and what moderators did, to the archive, as many as the database takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from headwater.contracts import ChatMessageArchived, ChatModerated
from headwater.errors import DependencyUnavailable
from headwater.observability import count, logger

Entry = ChatMessageArchived | ChatModerated


class Archive(Protocol):
    def record(self, entries: Sequence[Entry]) -> None: ...


class ArchiveEntries:
    def __init__(self, unit_of_work: Callable[[], AbstractContextManager[Archive]]) -> None:
        """`unit_of_work` opens one transaction."""
        self._unit_of_work = unit_of_work

    def __call__(self, entries: Mapping[str, Entry]) -> Collection[str]:
        """The keys of those that were not written. All go in one transaction; if it fails, each gets one of its own."""
        try:
            self._record(list(entries.values()))
        except DependencyUnavailable:
            count("ArchiveUnavailable")
            return list(entries)
        except Exception:
            return [key for key, entry in entries.items() if not self._recorded_alone(key, entry)]
        return []

    def _recorded_alone(self, key: str, entry: Entry) -> bool:
        try:
            self._record([entry])
        except Exception:
            logger().exception("entry not archived", extra={"message_id": key})
            count("MessagesNotArchived")
            return False
        return True

    def _record(self, entries: Sequence[Entry]) -> None:
        with self._unit_of_work() as archive:
            archive.record(entries)

"""Stage 7 · what is kept of people for a while only: removed when its time is over, in short transactions, once a day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol


class Sessions(Protocol):
    def forget_ended(self, after: str, now: datetime) -> Sequence[str]: ...


class Links(Protocol):
    def forget_expired(self, now: datetime) -> None: ...


class Exports(Protocol):
    def forget_gone(self, now: datetime) -> None: ...


class Work(Protocol):
    @property
    def sessions(self) -> Sessions: ...
    @property
    def links(self) -> Links: ...
    @property
    def exports(self) -> Exports: ...


def forget_old(unit_of_work: Callable[[], AbstractContextManager[Work]], now: datetime) -> int:
    """Sign-ins that ended long ago (how many), links and exports that are good no more. Raises DependencyUnavailable; what is
    left then goes the next time."""
    with unit_of_work() as work:
        work.links.forget_expired(now)
        work.exports.forget_gone(now)
    forgotten, last = 0, ""
    while gone := _some_sessions(unit_of_work, last, now):
        forgotten, last = forgotten + len(gone), gone[-1]
    return forgotten


def _some_sessions(
    unit_of_work: Callable[[], AbstractContextManager[Work]], after: str, now: datetime
) -> Sequence[str]:
    with unit_of_work() as work:
        return work.sessions.forget_ended(after, now)

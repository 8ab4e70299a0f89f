"""A measured figure, beside its peer's where it has one, and what was promised of it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`ours` and `peer` hold one value per round, in `unit`. Without limits a figure is told, not judged."""

    name: str
    unit: str  # s, ms, µs, MiB, posts, $
    ours: Sequence[float]
    peer_name: str = ""
    peer: Sequence[float] = ()
    most_of_peer: float | None = None  # ours is at most this many times the peer's
    most: float | None = None  # ours is at most this, in `unit`
    never_over: float | None = None  # every round of ours is at most this, in `unit`

    @property
    def ratio(self) -> float:
        """To the peer; only where there is one."""
        return statistics.median(self.ours) / statistics.median(self.peer)

    @property
    def is_judged(self) -> bool:
        return (self.most_of_peer, self.most, self.never_over) != (None, None, None)

    @property
    def is_met(self) -> bool:
        """By the medians, rounded as they are printed; a deadline by the worst round."""
        if self.most_of_peer is not None and round(self.ratio, 2) > self.most_of_peer:
            return False
        if self.never_over is not None and max(self.ours) > self.never_over:
            return False
        return self.most is None or statistics.median(self.ours) <= self.most


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows that explain a figure; every cell is text."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Section:
    """What one benchmark found, and how."""

    title: str
    taken_on: str  # date
    method: str
    figures: Sequence[Figure]
    tables: Sequence[Table] = ()
    load_before: float = 0.0  # the machine's load average when it began: of whatever else ran

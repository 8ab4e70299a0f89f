"""Tables of docs/cost.md, and money in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def cents(dollars: float) -> str:
    return f"{dollars:.2f}"


def mills(dollars: float) -> str:
    return f"{dollars:.4f}"


def exact(dollars: float) -> str:
    return f"{dollars:.10f}".rstrip("0").rstrip(".")

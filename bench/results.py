"""Keeps every section's figures in results.json, and writes RESULTS.md from all of them: bad news first."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from bench.figures import Figure, Section, Table

FOLDER = Path(__file__).parent
KEPT, PAGE = FOLDER / "results.json", FOLDER / "RESULTS.md"


class Results(msgspec.Struct):
    """The machine and the versions are those of the newest run."""

    machine: dict[str, str] = {}
    sections: dict[str, Section] = {}


def load() -> Results:
    return msgspec.json.decode(KEPT.read_bytes(), type=Results) if KEPT.exists() else Results()


def save(results: Results, order: Sequence[str]) -> None:
    sections = {name: results.sections[name] for name in order if name in results.sections}
    kept = Results(results.machine, sections)
    KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
    PAGE.write_text("\n".join(_page(kept.machine, list(sections.values()))) + "\n")


def _page(machine: Mapping[str, str], sections: Sequence[Section]) -> Iterator[str]:
    yield "# Figures\n"
    yield "Written by `make bench`; every round is in `results.json`. Medians, with the least and the most in brackets.\n"
    yield from _table(Table(title="", head=("", ""), rows=[(name, value) for name, value in machine.items()]))
    judged = [figure for section in sections for figure in section.figures if figure.is_judged]
    judged.sort(key=lambda figure: figure.is_met)
    missed = sum(not figure.is_met for figure in judged)
    yield f"## {len(judged) - missed} of {len(judged)} targets met\n"
    yield from _table(_figures("", judged, with_target=True))
    for section in sections:
        yield f"## {section.title}\n"
        yield f"Taken on {section.taken_on}, at a load of {section.load_before:.1f} of other work. {section.method}\n"
        others = [figure for figure in section.figures if not figure.is_judged]
        if others:
            yield from _table(_figures("", others, with_target=False))
        for table in section.tables:
            yield from _table(table)


def _figures(title: str, figures: Sequence[Figure], *, with_target: bool) -> Table:
    head = ["figure", "Headwater", "peer", "peer's", "ratio"] + (["target", ""] if with_target else [])
    rows = []
    for figure in figures:
        row = [figure.name, _spread(figure.ours, figure.unit)]
        row += [figure.peer_name, _spread(figure.peer, figure.unit), f"{figure.ratio:.2f}"] if figure.peer else [""] * 3
        if with_target:
            row += [_target(figure), "met" if figure.is_met else "**NOT met**"]
        rows.append(row)
    return Table(title=title, head=head, rows=rows)


def _target(figure: Figure) -> str:
    limits = []
    if figure.most_of_peer is not None:
        limits.append(f"≤ {figure.most_of_peer:g} × peer")
    if figure.most is not None:
        limits.append(f"≤ {figure.most:g} {figure.unit}")
    if figure.never_over is not None:
        limits.append(f"always ≤ {figure.never_over:g} {figure.unit}")
    return ", ".join(limits)


def _spread(values: Sequence[float], unit: str) -> str:
    digits = {"s": 2, "ms": 1, "µs": 0, "MiB": 0, "posts": 3, "$": 5}[unit]
    middle, least, most = (f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} {unit}" if least == most else f"{middle} {unit} ({least}–{most})"


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield f"{table.title}\n"
    yield f"| {' | '.join(table.head)} |"
    yield f"|{'---|' * len(table.head)}"
    for row in table.rows:
        yield f"| {' | '.join(row)} |"
    yield ""

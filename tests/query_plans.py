"""How PostgreSQL would find what a list shows: a list of a full site must not read all of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event


@contextmanager
def explained(read_by: Connection | Engine) -> Iterator[list[str]]:
    """The plans of what is read meanwhile, on this connection or on all of them."""
    plans: list[str] = []

    def explain(conn: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.startswith("SELECT") and "set_config" not in statement:
            raw = conn.connection.cursor()
            raw.execute("EXPLAIN " + statement, parameters)
            plans.append("\n".join(line for (line,) in raw.fetchall()))

    event.listen(read_by, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(read_by, "before_cursor_execute", explain)
        if isinstance(read_by, Connection):
            read_by.rollback()


def assert_indexed(plans: list[str], read_whole: Collection[str] = ()) -> None:
    """`read_whole` are tables of a page each: reading all of one is quickest."""
    assert plans
    for plan in plans:
        scanned = set(re.findall(r"Seq Scan on (\w+)", plan))
        assert scanned <= set(read_whole), plan

"""How PostgreSQL would find what a list shows: a list of a full site must not read all of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event


@contextmanager
def explained(connection: Connection) -> Iterator[list[str]]:
    """The plans of what is read meanwhile."""
    plans: list[str] = []

    def explain(conn: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.startswith("SELECT") and "set_config" not in statement:
            raw = conn.connection.cursor()
            raw.execute("EXPLAIN " + statement, parameters)
            plans.append("\n".join(line for (line,) in raw.fetchall()))

    event.listen(connection, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(connection, "before_cursor_execute", explain)
        connection.rollback()


def assert_indexed(plans: list[str], read_whole: Collection[str] = ()) -> None:
    """`read_whole` are tables of a page each: reading all of one is quickest."""
    assert plans
    for plan in plans:
        scanned = set(re.findall(r"Seq Scan on (\w+)", plan))
        assert scanned <= set(read_whole), plan

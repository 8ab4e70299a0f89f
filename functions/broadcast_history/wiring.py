"""Stage 7 · joins the history writer to PostgreSQL, at first use."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from functions.broadcast_history.settings import BroadcastHistorySettings
from headwater.adapters.broadcast_archive import BroadcastArchive
from headwater.adapters.database_login import database_of
from headwater.adapters.postgres import Database
from headwater.settings import load_settings


@functools.cache
def database() -> Database:
    return database_of(load_settings(BroadcastHistorySettings))


@contextmanager
def unit_of_work() -> Iterator[BroadcastArchive]:
    with database().begin() as connection:
        yield BroadcastArchive(connection)

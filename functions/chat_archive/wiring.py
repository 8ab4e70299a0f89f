"""Stage 7 · joins the archive to PostgreSQL, at the first call."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from functions.chat_archive.archive_entries import ArchiveEntries
from functions.chat_archive.settings import ChatArchiveSettings
from headwater.adapters.chat_archive import ChatArchive
from headwater.adapters.database_login import database_of
from headwater.settings import load_settings


class Wiring:
    def __init__(self, settings: ChatArchiveSettings) -> None:
        self.database = database_of(settings)
        self.archive_entries = ArchiveEntries(self._unit_of_work)

    @contextmanager
    def _unit_of_work(self) -> Iterator[ChatArchive]:
        with self.database.begin() as connection:
            yield ChatArchive(connection)


@functools.cache
def wiring() -> Wiring:
    return Wiring(load_settings(ChatArchiveSettings))

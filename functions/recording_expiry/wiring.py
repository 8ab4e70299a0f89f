"""Stage 5 · joins the expiry of recordings to PostgreSQL and the hot state, at first use."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from functions.recording_expiry.expire_recordings import expire_recordings
from functions.recording_expiry.settings import RecordingExpirySettings
from headwater.adapters.broadcast_archive import BroadcastArchive
from headwater.adapters.database_login import database_of
from headwater.adapters.outbox import Outbox
from headwater.adapters.postgres import Database
from headwater.adapters.stream_controls import StreamControls
from headwater.broadcasts import Broadcasts
from headwater.settings import load_settings


@functools.cache
def database() -> Database:
    return database_of(load_settings(RecordingExpirySettings))


@contextmanager
def unit_of_work() -> Iterator[BroadcastArchive]:
    with database().begin() as connection:
        yield BroadcastArchive(connection)


def expire(has_time: Callable[[], bool]) -> int:
    settings = load_settings(RecordingExpirySettings)
    outbox = Outbox(settings.event_bus, settings.pulse_queue_url)
    hot_state = Broadcasts(StreamControls(settings.stream_table), outbox)
    return expire_recordings(unit_of_work, hot_state, settings.recording_retention_days, datetime.now(UTC), has_time)

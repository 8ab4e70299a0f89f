"""Recordings are deleted when they are older than the deployment keeps them, and only then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from functions.recording_expiry import expire_recordings
from functions.recording_expiry.handler import handler
from functions.recording_expiry.wiring import database
from headwater.domain.broadcast import StreamEventName
from headwater.domain.broadcast_events import Stop
from headwater.domain.ids import BroadcastId
from tests.rest_api import Person, RestApi


def recorded(api: RestApi, owner: Person, *, days_ago: float) -> BroadcastId:
    stream = owner.stream()
    broadcast_id = api.go_live(stream)
    api.happen(stream, Stop())
    api.finalise(stream, broadcast_id)
    api.tell_history()
    ended_at = datetime.now(UTC) - timedelta(days=days_ago)
    with api.services.database.begin() as connection:
        connection.exec_driver_sql("UPDATE broadcasts SET ended_at = %s WHERE id = %s", (ended_at, broadcast_id))
    return broadcast_id


def left(api: RestApi, recordings: list[BroadcastId]) -> list[bool]:
    return [api.anonymous.get(f"/v1/broadcasts/{each}").status == 200 for each in recordings]


@pytest.mark.parametrize(("days", "kept"), [("0", [True, True, True]), ("30", [False, False, True])])
def test_what_is_older_than_the_deployment_keeps_it_is_deleted_as_its_owner_would(
    api: RestApi, monkeypatch: pytest.MonkeyPatch, days: str, kept: list[bool]
) -> None:
    monkeypatch.setenv("RECORDING_RETENTION_DAYS", days)
    owner = api.newcomer()
    recordings = [recorded(api, owner, days_ago=days_ago) for days_ago in (32, 31, 29)]
    api.news()
    monkeypatch.setattr(expire_recordings, "BATCH", 1)
    for _ in range(2):
        handler({}, SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000))
    database().close()
    database.cache_clear()
    assert left(api, recordings) == kept
    told: list[Any] = [(each.name, each.broadcast_id) for each in api.news()]
    assert told == [
        (StreamEventName.RECORDING_DELETED, each) for each, is_left in zip(recordings, kept, strict=True) if not is_left
    ]

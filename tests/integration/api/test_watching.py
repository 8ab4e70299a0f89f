"""Watching: viewers are counted while they send heartbeats, and nobody is bothered when counting fails."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api.routes import streams
from functions.api.use_cases import watching
from headwater.adapters.cache import cache_client
from headwater.adapters.room_scripts import figures_key
from headwater.broadcasts import unix_ms
from headwater.domain.ids import StreamId, new_id
from headwater.domain.playback_session import PRESENCE_SECONDS, new_playback_session
from tests.aws import received
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer
from tests.rest_api import STREAM_KEY_SECRET, RestApi


class Clock:
    """Unix ms, as the use cases see it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = unix_ms()
        for module in (watching, streams):
            monkeypatch.setattr(module, "unix_ms", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def watch(api: RestApi, stream: dict[str, Any]) -> str:
    answer = api.anonymous.post(f"/v1/streams/{stream['id']}/playback-session")
    assert answer.status == 200, answer.text
    assert answer.json["heartbeat_seconds"] == 10
    session: str = answer.json["session_id"]
    return session


def beat(api: RestApi, session: str) -> int:
    return api.anonymous.post(f"/v1/playback-sessions/{session}/heartbeat").status


def viewers(api: RestApi, stream: dict[str, Any]) -> int:
    alone: int = api.anonymous.get(f"/v1/streams/{stream['id']}").json["viewer_count"]
    listed = {item["id"]: item["viewer_count"] for item in api.anonymous.get("/v1/streams").json["items"]}
    assert listed[stream["id"]] == alone
    return alone


def next_sample_is_due(api: RestApi, stream: dict[str, Any]) -> None:
    api.services.cache().delete(f"presence:{{{stream['id']}}}:sampled")


def test_viewers_come_stay_and_go(api: RestApi, clock: Clock) -> None:
    stream = api.register().stream()
    api.go_live(stream)
    api.tell_history()
    first, second = watch(api, stream), watch(api, stream)
    assert viewers(api, stream) == 2
    clock.now += (PRESENCE_SECONDS - 5) * 1000
    assert beat(api, first) == 200
    assert viewers(api, stream) == 2
    clock.now += 10_000
    assert viewers(api, stream) == 1
    assert beat(api, second) == 200  # back from a pause
    assert viewers(api, stream) == 2


def test_a_viewer_counts_once_however_often_the_heart_beats(api: RestApi) -> None:
    stream = api.register().stream()
    api.go_live(stream)
    api.tell_history()
    session = watch(api, stream)
    for _ in range(3):
        assert beat(api, session) == 200
    assert viewers(api, stream) == 1


def test_peak_and_views_are_kept_with_the_broadcast(api: RestApi, clock: Clock) -> None:
    owner = api.register()
    stream = owner.stream()
    broadcast_id = api.go_live(stream)
    api.tell_history()
    sessions = [watch(api, stream) for _ in range(3)]
    next_sample_is_due(api, stream)
    beat(api, sessions[0])
    clock.now += (PRESENCE_SECONDS + 1) * 1000
    next_sample_is_due(api, stream)
    beat(api, sessions[0])
    broadcast = api.anonymous.get(f"/v1/broadcasts/{broadcast_id}").json
    assert (broadcast["peak_viewers"], broadcast["total_views"]) == (3, 3)
    assert api.anonymous.get(f"/v1/streams/{stream['id']}").json["total_views"] == 3


def test_news_of_the_broadcast_do_not_undo_its_counts(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream()
    broadcast_id = api.go_live(stream)
    api.tell_history()
    watch(api, stream)
    owner.api.post(f"/v1/streams/{stream['id']}/stop")
    api.tell_history()
    assert api.anonymous.get(f"/v1/broadcasts/{broadcast_id}").json["peak_viewers"] == 1


@pytest.mark.parametrize(
    "session",
    [
        "nonsense",
        "0" * 60,
        f"{new_id()}{new_id()}{'a' * 16}",
        new_playback_session(b"somebody else's secret", StreamId(new_id())),
        new_playback_session(STREAM_KEY_SECRET.encode(), StreamId(new_id()))[:-1],
        "é" * 60,
        "%00",
    ],
    ids=["word", "zeros", "guessed tag", "other secret", "cut short", "not ASCII", "NUL"],
)
def test_a_session_that_was_not_issued_counts_for_nobody(api: RestApi, session: str) -> None:
    assert beat(api, session) in (404, 422)
    assert cache_client(api.services.settings.cache_url).dbsize() == 0


def test_views_that_the_database_would_not_take_are_counted_later(
    api: RestApi, postgres: PostgresServer, clock: Clock
) -> None:
    stream = api.register().stream()
    broadcast_id = api.go_live(stream)
    api.tell_history()
    session, _ = watch(api, stream), watch(api, stream)
    postgres.stop()
    try:
        next_sample_is_due(api, stream)
        assert beat(api, session) == 200
    finally:
        postgres.start()
    next_sample_is_due(api, stream)
    assert beat(api, session) == 200
    assert api.anonymous.get(f"/v1/broadcasts/{broadcast_id}").json["total_views"] == 2


def test_watching_and_signing_in_go_on_while_the_cache_is_away(api: RestApi, redis: RedisServer) -> None:
    stream = api.register().stream()
    api.go_live(stream)
    api.tell_history()
    session = watch(api, stream)
    redis.stop()
    try:
        assert beat(api, session) == 200
        watch(api, stream)
        assert viewers(api, stream) == 0
        assert api.register().api.get("/v1/me").status == 200
        assert api.register().api.post("/v1/chat/tickets").code == "dependency_unavailable"
    finally:
        redis.start()
    assert beat(api, session) == 200
    assert viewers(api, stream) == 1


def test_a_room_is_told_how_many_watch_when_somebody_has_joined_it_and_the_number_is_another(api: RestApi) -> None:
    stream = api.register().stream()
    api.go_live(stream)
    api.tell_history()
    stream_id, queue = StreamId(stream["id"]), api.services.settings.chat_delivery_queue_url
    session = watch(api, stream)
    assert received(queue) == [], "nobody is in the room"
    api.services.rooms.view(stream_id, after_seq=None)  # somebody joins
    for told in (True, False):
        next_sample_is_due(api, stream)
        assert beat(api, session) == 200
        assert bool(received(queue)) is told
    figures = api.services.cache().hgetall(figures_key(stream_id))
    assert figures == {"viewers": "1"}

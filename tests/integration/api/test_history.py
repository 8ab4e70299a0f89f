"""History: whatever is told of broadcasts, however often and in whatever order, PostgreSQL ends up telling the same."""

from __future__ import annotations

import itertools
import random
from typing import Any

import msgspec

from headwater.contracts import BroadcastChanged, encode
from headwater.domain.broadcast import BroadcastEventName, BroadcastState, EndReason, RecordingState
from headwater.domain.ids import BroadcastId, StreamId, UserId, new_id
from tests.aws import received
from tests.postgres_server import PostgresServer
from tests.rest_api import RestApi, write_history


def news(stream: dict[str, Any], sequence: int, **fields: Any) -> BroadcastChanged:
    defaults: dict[str, Any] = {
        "name": BroadcastEventName.STARTED,
        "stream_id": StreamId(stream["id"]),
        "owner_id": UserId(stream["owner"]["id"]),
        "broadcast_id": BroadcastId("0" * 21 + "1"),
        "sequence": sequence,
        "occurred_at": 1_800_000_000_000 + sequence,
        "state": BroadcastState.STARTING,
        "public": True,
        "record": True,
        "started_at": 1_800_000_000_000,
    }
    return BroadcastChanged(**{**defaults, **fields})


def a_whole_life(stream: dict[str, Any]) -> list[BroadcastChanged]:
    live = {"live_at": 1_800_000_002_000}
    ended = {**live, "ended_at": 1_800_000_060_000, "end_reason": EndReason.STOPPED, "state": BroadcastState.ENDED}
    ready = {"recording": RecordingState.READY, "duration_seconds": 57.5, "renditions": ("720p", "audio")}
    return [
        news(stream, 1),
        news(stream, 2, name=BroadcastEventName.LIVE, state=BroadcastState.LIVE, **live),
        news(stream, 3, name=BroadcastEventName.INTERRUPTED, state=BroadcastState.INTERRUPTED, **live),
        news(stream, 4, name=BroadcastEventName.RESUMED, state=BroadcastState.LIVE, **live),
        news(stream, 5, name=BroadcastEventName.ENDED, **ended),
        news(stream, 6, name=BroadcastEventName.READY, **ended, **ready),
    ]


def event(changed: BroadcastChanged) -> str:
    """As EventBridge hands it to the queue."""
    envelope: dict[str, Any] = {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": changed.name.value,
        "source": "headwater.broadcasts",
        "account": "123456789012",
        "time": "2027-01-15T08:00:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": msgspec.Raw(encode(changed).encode()),
    }
    return msgspec.json.encode(envelope).decode()


def row(api: RestApi) -> list[dict[str, Any]]:
    with api.services.database.begin() as connection:
        return [dict(found) for found in connection.exec_driver_sql("SELECT * FROM broadcasts").mappings()]


def test_every_order_and_any_repetition_ends_in_the_same_row(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream()
    life = a_whole_life(stream)
    write_history([event(changed) for changed in life])
    expected = row(api)
    assert (expected[0]["sequence"], expected[0]["duration_seconds"]) == (6, 57.5)
    chance = random.Random(7)
    orders = [*itertools.permutations(life)]
    for order in chance.sample(orders, 25):
        with api.services.database.begin() as connection:
            connection.exec_driver_sql("TRUNCATE broadcasts CASCADE")
        told = [*order, *chance.choices(life, k=4)]
        for start in range(0, len(told), 3):
            assert write_history([event(changed) for changed in told[start : start + 3]]) == []
        assert row(api) == expected


def test_news_of_a_stream_that_is_gone_are_dropped(api: RestApi) -> None:
    stream = {"id": new_id(), "owner": {"id": new_id()}}
    assert write_history([event(news(stream, 1))]) == []
    assert row(api) == []


def test_only_what_cannot_be_read_is_kept_back(api: RestApi) -> None:
    stream = api.register().stream()
    bodies = ["", "{}", '{"detail": {"name": "Unheard"}}', event(news(stream, 1)), "\x00"]
    assert write_history(bodies) == ["m0", "m1", "m2", "m4"]
    assert len(row(api)) == 1


def test_a_reason_that_quotes_nul_is_stored_without_it(api: RestApi) -> None:
    stream = api.register().stream()
    assert write_history([event(news(stream, 1, end_detail="codec \x00hvc1\x00"))]) == []
    assert row(api)[0]["end_detail"] == "codec hvc1"


def test_a_broadcast_keeps_the_title_that_it_began_with(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream(title="First")
    broadcast_id = api.go_live(stream)
    api.tell_history()
    owner.api.patch(f"/v1/streams/{stream['id']}", {"title": "Second"})
    owner.api.post(f"/v1/streams/{stream['id']}/stop")
    api.tell_history()
    assert owner.api.get(f"/v1/broadcasts/{broadcast_id}").json["title"] == "First"


def test_what_is_told_while_the_database_is_down_is_written_when_it_is_back(
    api: RestApi, postgres: PostgresServer
) -> None:
    owner = api.register()
    stream = owner.stream()
    broadcast_id = api.go_live(stream)
    bodies = received(api.news_queue)
    postgres.stop()
    try:
        assert write_history(["unreadable", *bodies]) == [f"m{number}" for number in range(len(bodies) + 1)]
        answer = owner.api.get("/v1/me")
        assert (answer.status, answer.code) == (503, "dependency_unavailable")
        assert "retry-after" in answer.headers
    finally:
        postgres.start()
    assert write_history(bodies) == []
    assert owner.api.get(f"/v1/broadcasts/{broadcast_id}").json["status"] == "live"


def test_recordings_are_listed_newest_first_in_pages(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream()
    ids = []
    for _ in range(3):
        ids.append(api.go_live(stream))
        api.encoder_leaves(stream)
        owner.api.post(f"/v1/streams/{stream['id']}/stop")
        api.finalise(stream, ids[-1])
    api.tell_history()
    path = f"/v1/streams/{stream['id']}/broadcasts"
    first = api.anonymous.get(path, limit=2).json
    assert [item["id"] for item in first["items"]] == [ids[2], ids[1]]
    rest = api.anonymous.get(path, limit=2, cursor=first["next_cursor"]).json
    assert ([item["id"] for item in rest["items"]], rest["next_cursor"]) == ([ids[0]], None)
    assert api.anonymous.get(path, cursor="nonsense").status == 422


def test_what_was_not_to_be_recorded_has_no_playback(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream(record=False)
    broadcast_id = api.go_live(stream)
    owner.api.post(f"/v1/streams/{stream['id']}/stop")
    api.finalise(stream, broadcast_id)
    api.tell_history()
    past = api.anonymous.get(f"/v1/broadcasts/{broadcast_id}").json
    assert (past["status"], past["playback"]) == ("ended", None)

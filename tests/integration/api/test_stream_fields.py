"""Fields of a stream that are brought into a form, have limits, or change with time; and what many at once may do."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from functions.api.use_cases.going_live import Ingest, rotate_key
from functions.api.use_cases.streams import create_stream
from functions.api.wiring import UnitOfWork
from headwater.adapters.postgres import Database
from headwater.adapters.secrets import secret
from headwater.domain.ids import UserId
from headwater.domain.streams import StreamProfile
from tests.rest_api import RestApi


def ahead(**span: int) -> str:
    return (datetime.now(UTC) + timedelta(**span)).isoformat()


def test_a_planned_start_is_shown_changed_and_taken_back(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream(scheduled_start=ahead(days=2))
    path = f"/v1/streams/{stream['id']}"
    assert stream["scheduled_start"].endswith("Z")
    assert api.anonymous.get(path).json["scheduled_start"] == stream["scheduled_start"]
    assert owner.api.patch(path, {"title": "Other"}).json["scheduled_start"] == stream["scheduled_start"]
    assert [item["id"] for item in api.anonymous.get("/v1/streams", sort="scheduled").json["items"]] == [stream["id"]]
    assert owner.api.patch(path, {"scheduled_start": None}).json["scheduled_start"] is None
    assert api.anonymous.get("/v1/streams", sort="scheduled").json["items"] == []


def test_what_begins_a_little_early_is_no_longer_planned_and_another_show_is(api: RestApi) -> None:
    owner = api.newcomer()
    early, another = owner.stream(scheduled_start=ahead(minutes=30)), owner.stream(scheduled_start=ahead(days=1))
    for stream in (early, another):
        api.go_live(stream)
    api.tell_history()
    [planned] = api.anonymous.get("/v1/streams", sort="scheduled").json["items"]
    assert (planned["id"], planned["scheduled_start"]) == (another["id"], another["scheduled_start"])
    assert api.anonymous.get(f"/v1/streams/{early['id']}").json["scheduled_start"] is None


@pytest.mark.parametrize(
    "start",
    ["tomorrow", "2027-01-31", "2027-01-31T20:00:00", "2020-01-31T20:00:00Z", "9999-12-31T23:59:59-14:00", 1_900_000_000,
     "2020-01-31T20:00:00Z\x00", "", True],
)  # fmt: skip
def test_a_plan_that_is_no_time_ahead_is_refused(api: RestApi, start: Any) -> None:
    answer = api.register().api.post("/v1/streams", {"title": "Plan", "scheduled_start": start})
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "scheduled_start")


def test_tags_and_categories_are_brought_into_their_form(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream(tags=["#Sea  Songs", "sea songs", "ＬＩＶＥ", "🌊"], category="just CHATTING")
    assert (stream["tags"], stream["category"]) == (["sea songs", "live", "🌊"], "Just Chatting")
    path = f"/v1/streams/{stream['id']}"
    assert owner.api.patch(path, {"category": "diy-making"}).json["category"] == "DIY & Making"
    assert owner.api.patch(path, {"category": "Underwater chess"}).json["category"] == "Underwater chess"
    found = api.anonymous.get("/v1/streams", tag="#SEA songs", category="underwater CHESS").json["items"]
    assert [item["id"] for item in found] == [stream["id"]]
    refused = owner.api.patch(path, {"tags": ["fine", "##"]})
    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "tags.1")


@pytest.mark.parametrize(
    "title",
    [
        "👩\u200d👩\u200d👧 🏴\U000e0067\U000e0062\U000e007f",
        "مباشر الليلة",
        "שידור חי",
        "ＦＵＬＬ wídth",
        "Z̸̢a̷l̴g̵o̶",
        "🎬",
        "?!",
    ],
)
def test_any_script_and_any_emoji_can_name_a_stream_and_comes_back_as_it_was_sent(api: RestApi, title: str) -> None:
    stream = api.newcomer().stream(title=title, tags=[title], category=title)
    assert (stream["title"], stream["category"], len(stream["tags"])) == (title, title, 1)
    assert api.anonymous.get("/v1/streams", tag=title, category=title).json["items"][0]["title"] == title


@pytest.mark.parametrize(
    "nothing", ["\u200b", "\u2060\ufeff", "\u3164", "\u2800 \u2800", "\u200e\u200f", "\u0301", "\u115f\u1160"]
)
def test_what_cannot_be_seen_names_nothing(api: RestApi, nothing: str) -> None:
    owner = api.newcomer()
    path = f"/v1/streams/{owner.stream()['id']}"
    for field, value in (("title", nothing), ("category", nothing), ("tags", [nothing])):
        refused = owner.api.patch(path, {field: value})
        assert (refused.status, refused.code) == (422, "invalid_input")
        assert refused.json["errors"][0]["field"].startswith(field)


def test_categories_are_listed_searched_and_counted(api: RestApi) -> None:
    owner = api.register()
    for privacy in ("public", "private"):
        stream = owner.stream(category="chess", privacy=privacy)
        api.go_live(stream)
    api.tell_history()
    first = api.anonymous.get("/v1/categories", limit=5).json
    second = api.anonymous.get("/v1/categories", limit=100, cursor=first["next_cursor"]).json
    everything = first["items"] + second["items"]
    assert second["next_cursor"] is None
    assert len({category["id"] for category in everything}) == len(everything) > 40
    assert [category for category in everything if category["live_streams"]] == [
        {"id": "chess", "name": "Chess", "live_streams": 1}
    ]
    for q in ("speedruning", "SPEED", "tabeltop roleplay"):
        assert api.anonymous.get("/v1/categories", q=q).json["items"], q
    assert api.anonymous.get("/v1/categories", q="!!").json["items"] == []
    assert api.anonymous.get("/v1/categories", cursor="' OR 1=1").status == 422


def test_an_account_has_so_many_streams_and_not_one_more(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.services, "settings", msgspec.structs.replace(api.services.settings, streams_per_user=2))
    owner = api.register()
    first = owner.stream()
    owner.stream()
    refused = owner.api.post("/v1/streams", {"title": "Third"})
    assert (refused.status, refused.code) == (409, "limit_reached")
    assert "at most 2 streams" in refused.json["detail"]
    owner.api.delete(f"/v1/streams/{first['id']}")
    assert owner.api.post("/v1/streams", {"title": "Third"}).status == 201


def test_of_two_last_streams_made_at_once_one_is_refused(api: RestApi) -> None:
    owner_id = UserId(api.register().user["id"])
    outcomes = at_once(
        lambda work: create_stream(work.streams, work.accounts, api.hot_state, owner_id, StreamProfile(title="Last"), 1)
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LimitReached", "Stream"]


def at_once(work: Any) -> list[Any]:
    """What two transactions on connections of their own come to, each begun before the other has ended."""
    ready = threading.Barrier(2)
    outcomes: list[Any] = []

    def run() -> None:
        elsewhere = Database(lambda: str(secret("database")["url"]))
        try:
            with elsewhere.begin() as connection:
                ready.wait(10)
                outcomes.append(work(UnitOfWork(lambda: connection)))
        except Exception as error:
            outcomes.append(error)
        finally:
            elsewhere.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_of_two_rotations_at_once_each_makes_a_key_and_the_last_one_holds(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream()
    path = f"/v1/streams/{stream['id']}/ingest"
    ingest = Ingest(api.hot_state, api.services.ingest_doors, api.services.stream_key_secret)
    keys = [
        access.stream_key
        for access in at_once(lambda work: rotate_key(work.streams, ingest, stream["id"], UserId(owner.user["id"])))
    ]
    assert len(set(keys)) == 2
    assert owner.api.get(path).json["stream_key"] in keys

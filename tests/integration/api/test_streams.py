"""Streams: what owners say of them, who finds them, and what ingest gets to know."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from functions.api.use_cases.streams import change_stream
from headwater.adapters.postgres import Database
from headwater.adapters.secrets import secret
from headwater.adapters.stream_catalogue import StreamCatalogue
from headwater.domain.broadcast import StreamSettings
from headwater.domain.broadcast_events import Start
from headwater.domain.decision import Outcome
from headwater.domain.ids import StreamId, UserId, new_id
from headwater.errors import DependencyUnavailable
from tests.api_gateway import ApiClient
from tests.factories import publish
from tests.rest_api import CDN, RestApi


def found(client: ApiClient, **parameters: Any) -> list[str]:
    answer = client.get("/v1/streams", **parameters)
    assert answer.status == 200, answer.text
    return [item["title"] for item in answer.json["items"]]


def test_a_stream_has_what_its_owner_said_and_defaults_for_the_rest(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream(title="  Sea & songs  ", description="Two\nlines", tags=["Sea", "sea", "Songs"])
    assert stream["owner"] == {"id": owner.user["id"], "username": owner.user["username"], "avatar_url": None}
    expected = {
        "title": "Sea & songs", "description": "Two\nlines", "category": None, "tags": ["sea", "songs"],
        "privacy": "public", "mature": False, "record": True, "latency": "standard", "reconnect_window": 60,
        "auto_start": True, "status": "offline", "is_live": False, "started_at": None, "viewer_count": 0,
        "total_views": 0, "thumbnail_url": None,
    }  # fmt: skip
    assert {name: stream[name] for name in expected} == expected
    assert stream["chat"] == {"ws": "wss://chat.example.org", "room": stream["id"]}
    assert stream["playback"] == {
        "hls": f"{CDN}/{stream['id']}/live.m3u8",
        "dash": f"{CDN}/{stream['id']}/live.mpd",
    }
    assert owner.api.get(f"/v1/streams/{stream['id']}").json == stream


def test_others_see_where_it_will_play_but_not_the_settings(api: RestApi) -> None:
    stream = api.register().stream()
    seen = api.anonymous.get(f"/v1/streams/{stream['id']}").json
    assert seen["playback"] == stream["playback"]
    assert not {"record", "latency", "reconnect_window", "auto_start", "email"} & set(seen)


def test_a_patch_changes_what_it_names_and_tells_ingest(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream(category="Music", reconnect_window=30)
    path = f"/v1/streams/{stream['id']}"
    changed = owner.api.patch(path, {"title": "New 🌊", "record": False, "category": None, "latency": "low"})
    assert changed.json == {**stream, "title": "New 🌊", "record": False, "category": None, "latency": "low"}
    assert owner.api.get(path).json == changed.json
    control = api.hot_state.read(StreamId(stream["id"]))
    assert control is not None
    assert control.settings == StreamSettings(
        reconnect_window_seconds=30, auto_start=True, record=False, low_latency=True
    )
    assert owner.api.patch(path, {}).json == changed.json


def test_of_two_changes_at_once_neither_is_lost(api: RestApi) -> None:
    owner = api.register()
    stream_id, owner_id = StreamId(owner.stream()["id"]), UserId(owner.user["id"])
    elsewhere = Database(lambda: str(secret("database")["url"]))
    with api.services.database.begin() as first, elsewhere.begin() as second:
        change_stream(StreamCatalogue(first), api.hot_state, stream_id, owner_id, {"title": "New"})
        other = threading.Thread(
            target=change_stream,
            args=(StreamCatalogue(second), api.hot_state, stream_id, owner_id, {"mature": True}),
        )
        other.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while other.is_alive() and not first.exec_driver_sql(waiting).scalar_one():
            other.join(0.01)
        first.commit()
        other.join()
    elsewhere.close()
    changed = owner.api.get(f"/v1/streams/{stream_id}").json
    assert (changed["title"], changed["mature"]) == ("New", True)


def test_ingest_and_chat_know_at_once_whether_a_stream_is_private(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream(privacy="private")
    told = []
    for privacy in ("unlisted", "private", "public"):
        control = api.hot_state.read(StreamId(stream["id"]))
        assert control is not None
        told.append(control.settings.private)
        owner.api.patch(f"/v1/streams/{stream['id']}", {"privacy": privacy})
    assert told == [True, False, True]


def test_a_deleted_stream_is_gone_everywhere_and_its_key_worthless(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream()
    broadcast_id = api.go_live(stream)
    api.tell_history()
    assert owner.api.delete(f"/v1/streams/{stream['id']}").status == 204
    api.tell_history()  # the end of its broadcast comes too late, and does no harm
    for path in (f"/v1/streams/{stream['id']}", f"/v1/streams/{stream['id']}/ingest", f"/v1/broadcasts/{broadcast_id}"):
        assert owner.api.get(path).status == 404
    assert owner.api.delete(f"/v1/streams/{stream['id']}").status == 404
    assert found(api.anonymous) == []
    assert api.happen(stream, publish()).outcome is Outcome.REFUSED


def test_a_stream_without_a_hot_state_can_still_be_deleted(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream()
    with api.services.database.begin() as connection:
        lost = new_id()
        connection.exec_driver_sql("DELETE FROM stream_words")
        connection.exec_driver_sql("UPDATE streams SET id = %s", (lost,))
    assert stream["id"] != lost
    assert owner.api.delete(f"/v1/streams/{lost}").status == 204


def test_when_the_hot_state_fails_no_half_stream_is_left(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = api.register()

    def fail(*_: object) -> None:
        raise DependencyUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(api.hot_state, "create", fail)
        answer = owner.api.post("/v1/streams", {"title": "Half"})
        assert (answer.status, answer.code) == (503, "dependency_unavailable")
    assert found(owner.api, owner=owner.user["username"]) == []

    stream = owner.stream(title="Whole")
    with monkeypatch.context() as patch:
        patch.setattr(api.hot_state, "apply", fail)
        assert owner.api.patch(f"/v1/streams/{stream['id']}", {"title": "Torn"}).status == 503
        assert owner.api.delete(f"/v1/streams/{stream['id']}").status == 503
    assert found(api.anonymous) == ["Whole"]


def test_a_stream_can_be_looked_at_while_the_hot_state_is_away(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = api.register()
    stream = owner.stream()
    api.go_live(stream)
    api.tell_history()

    def fail(*_: object) -> None:
        raise DependencyUnavailable

    monkeypatch.setattr(api.hot_state, "read", fail)
    seen = api.anonymous.get(f"/v1/streams/{stream['id']}")
    assert (seen.status, seen.json["status"]) == (200, "live")


def test_lists_are_narrowed_by_category_tag_words_and_owner(api: RestApi) -> None:
    ana, ben = api.register("ana"), api.register("ben")
    ana.stream(title="Sea songs", category="Music", tags=["live", "sea"])
    ana.stream(title="100% chess_club", category="Chess")
    ben.stream(title="Ben plays", category="music", tags=["LIVE"])
    ben.stream(title="Hidden", privacy="private")
    look = api.anonymous
    assert found(look) == ["Ben plays", "100% chess_club", "Sea songs"]
    assert found(look, category="MUSIC") == ["Ben plays", "Sea songs"]
    assert found(look, tag="Live") == ["Ben plays", "Sea songs"]
    assert found(look, tag="live", category="music", q="SEA") == ["Sea songs"]
    assert found(look, q="'; DROP TABLE streams; --") == found(look, q="%") == found(look, q="-sea") == []
    assert found(look, owner="BEN") == ["Ben plays"]
    assert found(ben.api, owner="ben") == ["Hidden", "Ben plays"]
    assert found(ana.api, owner="ben") == ["Ben plays"]
    assert found(ben.api) == ["Ben plays", "100% chess_club", "Sea songs"]


def test_the_live_list_holds_what_can_be_watched_now(api: RestApi) -> None:
    owner = api.register()
    live, preview = owner.stream(title="Live"), owner.stream(title="Preview", auto_start=False)
    connected, offline = owner.stream(title="Connected"), owner.stream(title="Offline")
    api.go_live(live)
    api.go_live(preview)
    api.happen(connected, publish())
    api.tell_history()
    assert found(api.anonymous, live="true") == ["Live"]
    assert found(api.anonymous, live="false") == [offline["title"], "Connected", "Preview"]
    api.happen(preview, Start())
    api.tell_history()
    assert found(api.anonymous, live="true") == ["Preview", "Live"]
    owner.api.post(f"/v1/streams/{live['id']}/stop")
    api.tell_history()
    assert found(api.anonymous, live="true") == ["Preview"]


@pytest.mark.parametrize("sort", ["newest", "viewers"])
def test_pages_follow_one_another_without_holes_or_repeats(api: RestApi, sort: str) -> None:
    owner = api.register()
    watched = {0: 2, 3: 1}
    for number in range(7):
        stream = owner.stream(title=str(number))
        api.go_live(stream)
        api.tell_history()
        with api.services.unit_of_work() as unit:
            unit.broadcasts.add_audience(StreamId(stream["id"]), watched.get(number, 0), 0)
    pages, cursor = [], None
    while True:
        parameters = {"sort": sort, "limit": 3, **({"cursor": cursor} if cursor else {})}
        answer = api.anonymous.get("/v1/streams", **parameters).json
        pages.append([item["title"] for item in answer["items"]])
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    newest = [["6", "5", "4"], ["3", "2", "1"], ["0"]]
    most_watched = [["0", "3", "6"], ["5", "4", "2"], ["1"]]
    assert pages == (newest if sort == "newest" else most_watched)


@pytest.mark.parametrize(
    "cursor", ["nonsense", "", "0.0.0", f"{'0' * 22}.x", f"x.{'0' * 22}", f"1.-.{'0' * 22}", "' OR 1=1"]
)
@pytest.mark.parametrize("sort", ["newest", "viewers", "started", "scheduled", "relevance"])
def test_a_cursor_that_is_not_ours_is_refused(api: RestApi, cursor: str, sort: str) -> None:
    answer = api.anonymous.get("/v1/streams", cursor=cursor, sort=sort)
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "cursor")

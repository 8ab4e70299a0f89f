"""The first walk through the API: sign up, make a stream, get its key, go live, stop, watch the recording."""

from __future__ import annotations

from tests.rest_api import CDN, PASSWORD, RestApi


def test_a_new_streamer_gets_from_nothing_to_a_recording(api: RestApi) -> None:
    ana = api.register("Ana")
    stream = ana.stream(title="Hello 🌊", tags=["Sea", "sea"], category="Music")
    assert stream["tags"] == ["sea"]
    ingest = ana.api.get(f"/v1/streams/{stream['id']}/ingest").json
    assert ingest["stream_key"].startswith(f"live_{stream['id']}_")
    assert ingest["rtmp_url"] == "rtmp://ingest.example.org:1935/live"
    assert ingest["health"] == {"connected": False, "receiving": False, "since": None, "notice": None}

    broadcast_id = api.go_live(stream)
    seen = api.anonymous.get(f"/v1/streams/{stream['id']}").json
    assert (seen["status"], seen["is_live"]) == ("live", True)
    assert seen["playback"]["hls"] == f"{CDN}/{stream['id']}/live.m3u8"
    api.tell_history()
    listed = api.anonymous.get("/v1/streams", live="true", category="music", tag="SEA", q="hello").json
    assert [item["id"] for item in listed["items"]] == [stream["id"]]
    assert listed["items"][0]["status"] == "live"

    stopped = ana.api.post(f"/v1/streams/{stream['id']}/stop")
    assert (stopped.status, stopped.json["status"]) == (200, "offline")
    api.finalise(stream, broadcast_id)
    api.tell_history()
    broadcasts = api.anonymous.get(f"/v1/streams/{stream['id']}/broadcasts").json["items"]
    assert [(b["id"], b["status"], b["duration"]) for b in broadcasts] == [(broadcast_id, "ready", 12.5)]
    assert [b["id"] for b in api.anonymous.get("/v1/broadcasts").json["items"]] == [broadcast_id]
    recording = api.anonymous.get(f"/v1/broadcasts/{broadcast_id}").json
    assert recording["playback"]["hls"] == f"{CDN}/{stream['id']}/{broadcast_id}/index.m3u8"
    assert recording["title"] == "Hello 🌊"


def test_signing_in_works_by_name_and_by_address_in_any_case(api: RestApi) -> None:
    api.register("Ana")
    for login in ("ana", "ANA", "Ana@Example.org"):
        answer = api.anonymous.post("/v1/auth/login", {"login": login, "password": PASSWORD})
        assert answer.status == 200
        assert answer.json["user"]["username"] == "Ana"

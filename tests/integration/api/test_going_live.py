"""Going live: the key, the encoder's health, preview, start and stop, and what each kind of viewer sees of it."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.broadcasts import Broadcasts, unix_ms
from headwater.domain.broadcast import EndReason
from headwater.domain.broadcast_events import Done, MediaSeen, SourceRefused, Update
from headwater.domain.decision import Outcome
from headwater.domain.ids import StreamId
from headwater.domain.publish_pauses import STOPPED_PAUSE_MS
from headwater.domain.stream_key import stream_key_matches
from tests.api_gateway import ApiClient
from tests.factories import NOW, publish, session_ref
from tests.rest_api import CDN, STREAM_KEY_SECRET, RestApi


def status(client: ApiClient, stream: dict[str, Any]) -> str:
    return str(client.get(f"/v1/streams/{stream['id']}").json["status"])


def test_the_key_is_the_one_that_ingest_takes_and_is_never_cached(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream()
    answer = owner.api.get(f"/v1/streams/{stream['id']}/ingest")
    key = answer.json["stream_key"]
    assert stream_key_matches(key, STREAM_KEY_SECRET.encode(), StreamId(stream["id"]), 1)
    assert answer.json["servers"] == [
        "rtmp://ingest.example.org:1935/live",
        "rtmp://backup.example.org:1935/live",
    ]
    assert answer.headers["cache-control"] == "no-store"
    assert owner.api.get(f"/v1/streams/{stream['id']}/ingest").json["stream_key"] == key


def test_where_nodes_always_run_ingest_is_open_and_asking_for_it_changes_nothing(api: RestApi) -> None:
    owner = api.register()
    path = f"/v1/streams/{owner.stream()['id']}/ingest"
    shown = owner.api.get(path).json
    assert (shown["state"], shown["rtmp_url"]) == ("open", shown["servers"][0])
    asked = owner.api.post(f"{path}/open")
    assert (asked.status, asked.json) == (202, shown)
    assert asked.headers["cache-control"] == "no-store"


def test_a_rotated_key_replaces_the_old_one_and_drops_its_encoder(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream()
    path = f"/v1/streams/{stream['id']}/ingest"
    old = owner.api.get(path).json["stream_key"]
    ref = session_ref()
    api.happen(stream, publish(ref))
    new = owner.api.post(f"{path}/rotate").json["stream_key"]
    assert new != old
    assert owner.api.get(path).json["stream_key"] == new
    assert stream_key_matches(new, STREAM_KEY_SECRET.encode(), StreamId(stream["id"]), 2)
    assert api.happen(stream, publish(session_ref("9"), key_version=1)).outcome is Outcome.REFUSED
    assert api.happen(stream, Update(ref.node, ref.client_id, NOW + 1, 1)).outcome is Outcome.KICK


def test_the_owner_sees_how_the_encoder_is_doing(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream()
    path = f"/v1/streams/{stream['id']}/ingest"
    api.happen(stream, publish())
    health = owner.api.get(path).json["health"]
    assert (health["connected"], health["receiving"]) == (True, False)
    assert health["since"].endswith("Z")
    control = api.hot_state.read(StreamId(stream["id"]))
    assert control is not None
    assert control.broadcast is not None
    refusal = SourceRefused(control.broadcast.broadcast_id, 1, EndReason.SOURCE_REFUSED, "HEVC cannot be played.")
    api.happen(stream, refusal)
    assert owner.api.get(path).json["health"] == {
        "connected": False, "receiving": False, "since": None, "notice": "HEVC cannot be played.",
    }  # fmt: skip
    api.tell_history()
    failed = owner.api.get(f"/v1/streams/{stream['id']}/broadcasts").json["items"][0]
    assert (failed["status"], failed["notice"]) == ("failed", "HEVC cannot be played.")
    assert api.anonymous.get(f"/v1/streams/{stream['id']}/broadcasts").json["items"] == []


def test_status_is_true_at_once_without_history(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream()
    assert status(api.anonymous, stream) == "offline"
    ref = session_ref()
    decision = api.happen(stream, publish(ref))
    assert status(api.anonymous, stream) == "offline"  # connected is not live
    assert decision.control.broadcast is not None
    broadcast_id = decision.control.broadcast.broadcast_id
    api.happen(stream, MediaSeen(broadcast_id, 1))
    seen = api.anonymous.get(f"/v1/streams/{stream['id']}").json
    assert (seen["status"], seen["is_live"]) == ("live", True)
    assert seen["started_at"] is not None
    assert seen["thumbnail_url"] == f"{CDN}/{stream['id']}/{broadcast_id}/poster.jpg"
    api.happen(stream, Done(ref.node, ref.client_id, NOW + 1))
    seen = api.anonymous.get(f"/v1/streams/{stream['id']}").json
    assert (seen["status"], seen["is_live"]) == ("interrupted", True)
    assert seen["playback"] is not None
    owner.api.post(f"/v1/streams/{stream['id']}/stop")
    assert status(api.anonymous, stream) == "offline"


def test_a_preview_is_for_its_owner_only_until_it_is_started(api: RestApi) -> None:
    owner, other = api.register(), api.register()
    stream = owner.stream(auto_start=False)
    broadcast_id = api.go_live(stream)
    api.tell_history()
    mine = owner.api.get(f"/v1/streams/{stream['id']}").json
    assert (mine["status"], mine["is_live"]) == ("preview", False)
    assert mine["playback"] is not None
    offline = api.anonymous.get(f"/v1/streams/{owner.stream()['id']}").json
    for client in (api.anonymous, other.api):
        seen = client.get(f"/v1/streams/{stream['id']}").json
        hidden = ("status", "is_live", "started_at", "thumbnail_url", "viewer_count")
        assert {name: seen[name] for name in hidden} == {name: offline[name] for name in hidden}
        assert client.get(f"/v1/broadcasts/{broadcast_id}").status == 404
        assert client.get(f"/v1/streams/{stream['id']}/broadcasts").json["items"] == []
    assert owner.api.get(f"/v1/broadcasts/{broadcast_id}").status == 200

    assert owner.api.post(f"/v1/streams/{stream['id']}/start").json["status"] == "live"
    assert owner.api.post(f"/v1/streams/{stream['id']}/start").json["status"] == "live"
    api.tell_history()
    assert status(other.api, stream) == "live"
    assert api.anonymous.get(f"/v1/broadcasts/{broadcast_id}").json["status"] == "live"


def test_stop_has_ended_the_broadcast_when_it_answers_and_the_key_works_again(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream()
    ref = session_ref()
    api.happen(stream, publish(ref))
    assert owner.api.post(f"/v1/streams/{stream['id']}/stop").json["status"] == "offline"
    assert api.happen(stream, Update(ref.node, ref.client_id, NOW + 1, 1)).outcome is Outcome.KICK
    assert api.happen(stream, publish(session_ref("2"))).outcome is Outcome.REFUSED, "for the moment"
    later = Broadcasts(
        api.services.hot_state._controls, api.services.hot_state._outbox, lambda: unix_ms() + STOPPED_PAUSE_MS
    )
    assert later.apply(StreamId(stream["id"]), publish(session_ref("3"))).outcome is Outcome.ACCEPTED


def test_without_a_broadcast_there_is_nothing_to_start_or_stop(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream()
    for call in ("start", "stop"):
        answer = owner.api.post(f"/v1/streams/{stream['id']}/{call}")
        assert (answer.status, answer.code) == (409, "not_live")


def test_a_stream_that_changes_without_end_is_to_be_tried_again(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = api.newcomer()
    stream = owner.stream()
    monkeypatch.setattr("headwater.broadcasts._pause", lambda attempt: None)
    monkeypatch.setattr(type(api.hot_state._controls), "commit", lambda *_: False)  # somebody was quicker, every time
    answer = owner.api.post(f"/v1/streams/{stream['id']}/ingest/rotate")
    assert (answer.status, answer.code) == (503, "state_contended")
    assert answer.headers["retry-after"]

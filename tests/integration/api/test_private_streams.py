"""Private streams: who is on the list sees, watches and chats, for as long as they are on it; nobody else knows of it."""

from __future__ import annotations

import time
from dataclasses import replace

import msgspec
import pytest

from functions.api.use_cases.listed_people import VIEWERS
from functions.playback_keys.handler import handler as playback_keys_handler
from headwater.domain.broadcast import StreamEventName
from headwater.domain.broadcast_events import Start, Stop
from headwater.domain.ids import StreamId
from headwater.domain.media_access import SIGNED_SECONDS
from localrun.media_gate.signed_requests import is_signed
from tests.rest_api import CDN, Person, RestApi

LIVE = "live.m3u8"


def opens(access: dict[str, object], url: str, *, by: str = "cookies") -> bool:
    """Whether what a playback session answered with opens `url` at the edge."""
    keys = playback_keys_handler({}, None)["keys"]
    cookies = access["cookies"]
    assert isinstance(cookies, dict)
    header = "; ".join(f"{name}={value}" for name, value in cookies.items()) if by == "cookies" else ""
    query = str(access["query"]) if by == "query" else ""
    now = int(time.time())
    return is_signed(url, query, header, keys, now) and not is_signed(
        url, query, header, keys, now + SIGNED_SECONDS + 1
    )


def session(person: Person, stream: dict[str, str]) -> dict[str, object]:
    answer = person.api.post(f"/v1/streams/{stream['id']}/playback-session")
    assert answer.status == 200, answer.text
    body: dict[str, object] = answer.json
    return body


def viewers(stream: dict[str, str], person: Person | None = None) -> str:
    path = f"/v1/streams/{stream['id']}/viewers"
    return path if person is None else f"{path}/{person.user['username']}"


def test_who_is_on_the_list_sees_a_private_stream_and_nobody_else_does(api: RestApi) -> None:
    owner, friend, stranger = api.newcomer(), api.newcomer(), api.newcomer()
    stream = owner.stream(privacy="private")
    broadcast_id = api.go_live(stream)
    api.tell_history()
    assert owner.api.put(viewers(stream, friend)).status == 204
    assert [each["username"] for each in owner.api.get(viewers(stream)).json["items"]] == [friend.user["username"]]
    paths = [
        f"/v1/streams/{stream['id']}",
        f"/v1/streams/{stream['id']}/broadcasts",
        f"/v1/broadcasts/{broadcast_id}",
        f"/v1/streams/{stream['id']}/chat/messages",
    ]
    for path in paths:
        assert friend.api.get(path).status == 200, path
        assert stranger.api.get(path).status == api.anonymous.get(path).status == 404, path
    listed = friend.api.get("/v1/streams", owner=owner.user["username"]).json["items"]
    assert listed == []  # to be let in is no reason to be advertised to
    assert friend.api.get(viewers(stream)).status == 403  # who else is let in is the owner's business
    assert friend.api.get(paths[0]).json["playback"]["hls"] == f"{CDN}/private/{stream['id']}/{LIVE}"
    assert owner.api.get(paths[0]).json["playback"]["hls"] == f"{CDN}/owner/{stream['id']}/{LIVE}"


@pytest.mark.parametrize("by", ["cookies", "query"])
def test_a_playback_session_opens_the_way_that_its_viewer_may_take_for_less_than_a_minute(
    api: RestApi, by: str
) -> None:
    owner, friend = api.newcomer(), api.newcomer()
    stream = owner.stream(privacy="private")
    owner.api.put(viewers(stream, friend))
    other = owner.stream(privacy="private")
    for person, entrance, forbidden in ((friend, "private", "owner"), (owner, "owner", "private")):
        opened = session(person, stream)
        url = f"{CDN}/{entrance}/{stream['id']}/{LIVE}"
        assert opened["playback"] == {"hls": url, "dash": url.replace("m3u8", "mpd")}
        access = opened["access"]
        assert isinstance(access, dict)
        assert access["cookie_path"] == f"/{entrance}/{stream['id']}/"
        assert opens(access, url, by=by)
        assert not opens(access, f"{CDN}/{forbidden}/{stream['id']}/{LIVE}", by=by)
        assert not opens(access, f"{CDN}/{entrance}/{other['id']}/{LIVE}", by=by)


def test_what_everybody_may_watch_needs_no_signature(api: RestApi) -> None:
    owner = api.newcomer()
    for privacy in ("public", "unlisted"):
        stream = owner.stream(privacy=privacy)
        opened = api.anonymous.post(f"/v1/streams/{stream['id']}/playback-session").json
        assert opened["access"] is None
        assert opened["playback"] == stream["playback"]
        assert opened["playback"]["hls"] == f"{CDN}/{stream['id']}/{LIVE}"


def test_a_heartbeat_renews_the_signature_of_who_still_may_watch_and_of_nobody_else(api: RestApi) -> None:
    owner, friend, stranger = api.newcomer(), api.newcomer(), api.newcomer()
    stream = owner.stream(privacy="private")
    owner.api.put(viewers(stream, friend))
    beat = f"/v1/playback-sessions/{session(friend, stream)['session_id']}/heartbeat"
    assert opens(friend.api.post(beat).json["access"], f"{CDN}/private/{stream['id']}/{LIVE}")
    anonymous = api.anonymous.post(beat)
    assert (anonymous.status, anonymous.json["access"]) == (200, None)
    assert stranger.api.post(beat).status == 404
    assert owner.api.delete(viewers(stream, friend)).status == 204
    assert friend.api.post(beat).status == 404
    assert friend.api.post(f"/v1/streams/{stream['id']}/playback-session").status == 404


def test_a_session_of_a_public_stream_never_turns_into_a_key_to_a_private_one(api: RestApi) -> None:
    owner, stranger = api.newcomer(), api.newcomer()
    stream = owner.stream()
    beat = f"/v1/playback-sessions/{session(stranger, stream)['session_id']}/heartbeat"
    owner.api.patch(f"/v1/streams/{stream['id']}", {"privacy": "private"})
    answer = stranger.api.post(beat)
    assert (answer.status, answer.json["access"]) == (200, None)


def test_the_hot_state_knows_the_list_and_tells_when_somebody_has_to_go(api: RestApi) -> None:
    owner, friend = api.newcomer(), api.newcomer()
    stream = owner.stream(privacy="private")
    owner.api.put(viewers(stream, friend))
    control = api.hot_state.read(StreamId(stream["id"]))
    assert control is not None and control.viewers == (friend.user["id"],)
    api.news()
    for _ in range(2):
        assert owner.api.delete(viewers(stream, friend)).status == 204
    assert [each.name for each in api.news()] == [StreamEventName.AUDIENCE_CHANGED]
    assert owner.api.get(viewers(stream)).json["items"] == []


def test_turning_private_and_turning_public_are_each_told_once(api: RestApi) -> None:
    owner = api.newcomer()
    stream = owner.stream()
    api.news()
    for privacy in ("unlisted", "private", "private", "public"):
        owner.api.patch(f"/v1/streams/{stream['id']}", {"privacy": privacy})
    assert [each.name for each in api.news()] == [StreamEventName.AUDIENCE_CHANGED] * 2


def test_bad_names_and_full_lists_are_refused(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, friend, another = api.newcomer(), api.newcomer(), api.newcomer()
    stream = owner.stream(privacy="private")
    for name in ("nobody_at_all", "not%20a%20name", "x" * 400, "%F0%9F%98%80"):
        assert owner.api.put(f"{viewers(stream)}/{name}").status == 404
        assert owner.api.delete(f"{viewers(stream)}/{name}").status == 404
    assert owner.api.put(viewers(stream, owner)).code == "conflict"
    monkeypatch.setattr("functions.api.routes.listed_people.VIEWERS", replace(VIEWERS, limit=1))
    assert [owner.api.put(viewers(stream, who)).status for who in (friend, friend)] == [204, 204]
    assert owner.api.put(viewers(stream, another)).code == "limit_reached"


def test_a_preview_is_for_its_owners_entrance_until_it_is_started(api: RestApi) -> None:
    owner = api.newcomer()
    stream = owner.stream(auto_start=False)
    broadcast_id = api.go_live(stream)
    path = f"/v1/streams/{stream['id']}"
    assert owner.api.get(path).json["playback"]["hls"] == f"{CDN}/owner/{stream['id']}/{LIVE}"
    assert api.anonymous.get(path).json["playback"]["hls"] == f"{CDN}/{stream['id']}/{LIVE}"
    control = api.hot_state.read(StreamId(stream["id"]))
    assert control is not None and control.withheld == (broadcast_id,)
    api.happen(stream, Start())
    assert owner.api.get(path).json["playback"]["hls"] == f"{CDN}/{stream['id']}/{LIVE}"
    control = api.happen(stream, Stop()).control
    assert control.withheld == ()


def test_sessions_are_limited_for_an_address_and_for_a_user(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = api.newcomer().stream()
    few = msgspec.structs.replace(api.services.settings, playback_sessions_per_minute=3)
    monkeypatch.setattr(api.services, "settings", few)
    path = f"/v1/streams/{stream['id']}/playback-session"
    answers = [api.anonymous.post(path) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].code == "rate_limited"
    assert int(answers[-1].headers["retry-after"]) >= 1

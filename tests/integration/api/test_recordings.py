"""Recordings: their owner names them, keeps them private and deletes them; what is deleted nobody sees again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from functions.api.use_cases import recordings as recordings_use_case
from headwater.domain.accounts import Role
from headwater.domain.broadcast import StreamEventName, StreamSettings
from headwater.domain.broadcast_events import Configure, NameModerators, NameViewers, Stop, Withhold
from headwater.domain.ids import BroadcastId, StreamId, UserId
from headwater.domain.media_access import Audience, audience_of
from tests.aws import received
from tests.rest_api import CDN, Person, RestApi, write_history


def recorded(api: RestApi, stream: dict[str, Any], *, finalise: bool = True) -> BroadcastId:
    broadcast_id = api.go_live(stream)
    api.encoder_leaves(stream)  # or the stop would keep it away for a moment
    api.happen(stream, Stop())
    if finalise:
        api.finalise(stream, broadcast_id)
    api.tell_history()
    return broadcast_id


def audience(api: RestApi, stream: dict[str, Any], broadcast_id: BroadcastId) -> Audience:
    return audience_of(api.hot_state.read(StreamId(stream["id"])), broadcast_id)


def listed(person: Person | RestApi, stream: dict[str, Any]) -> list[str]:
    client = person.anonymous if isinstance(person, RestApi) else person.api
    return [item["id"] for item in client.get(f"/v1/streams/{stream['id']}/broadcasts").json["items"]]


def test_a_recording_can_be_given_a_title_of_its_own(api: RestApi) -> None:
    owner = api.newcomer()
    stream = owner.stream(title="The show")
    path = f"/v1/broadcasts/{recorded(api, stream)}"
    changed = owner.api.patch(path, {"title": "  The first evening 🎬 "})
    assert (changed.status, changed.json["title"]) == (200, "The first evening 🎬")
    assert api.anonymous.get(path).json["title"] == "The first evening 🎬"
    assert owner.api.patch(path, {}).json["title"] == "The first evening 🎬"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": None}, "title"),
        ({"title": "x" * 141}, "title"),
        ({"title": "\u202eevil"}, "title"),
        ({"title": 7}, "title"),
        ({"privacy": "unlisted"}, "privacy"),
        ({"privacy": True}, "privacy"),
        ({"status": "ready"}, "status"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_by_field(api: RestApi, body: dict[str, Any], field: str) -> None:
    owner = api.newcomer()
    answer = owner.api.patch(f"/v1/broadcasts/{recorded(api, owner.stream())}", body)
    assert (answer.status, answer.code) == (422, "invalid_input")
    assert [error["field"] for error in answer.json["errors"]] == [field]


def test_a_recording_that_is_kept_private_is_for_its_owner_alone_until_it_is_public_again(api: RestApi) -> None:
    owner = api.newcomer()
    stream = owner.stream()
    broadcast_id = recorded(api, stream)
    path = f"/v1/broadcasts/{broadcast_id}"
    for _ in range(2):
        changed = owner.api.patch(path, {"privacy": "private"}).json
        assert changed["privacy"] == "private"
        assert changed["playback"]["hls"] == f"{CDN}/owner/{stream['id']}/{broadcast_id}/index.m3u8"
        assert changed["thumbnail_url"].startswith(f"{CDN}/owner/")
    assert audience(api, stream, broadcast_id) is Audience.OWNER
    assert api.anonymous.get(path).status == 404
    assert (listed(api, stream), listed(owner, stream)) == ([], [broadcast_id])
    assert api.anonymous.get("/v1/broadcasts").json["items"] == []
    assert api.anonymous.get(f"/v1/streams/{stream['id']}").json["thumbnail_url"] is None
    public = owner.api.patch(path, {"privacy": "public"}).json
    assert public["playback"]["hls"] == f"{CDN}/{stream['id']}/{broadcast_id}/index.m3u8"
    assert audience(api, stream, broadcast_id) is Audience.EVERYONE
    assert api.anonymous.get(path).status == 200


def test_only_what_is_recorded_can_be_kept_private_and_a_preview_cannot_be_made_public(
    api: RestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = api.newcomer()
    stream, rehearsal = owner.stream(), owner.stream(auto_start=False)
    live = api.go_live(stream)
    preview = recorded(api, rehearsal)
    assert owner.api.patch(f"/v1/broadcasts/{live}", {"privacy": "private"}).code == "conflict"
    refused = owner.api.patch(f"/v1/broadcasts/{preview}", {"title": "Changed", "privacy": "public"})
    assert refused.code == "conflict"
    unchanged = owner.api.get(f"/v1/broadcasts/{preview}").json
    assert (unchanged["privacy"], unchanged["title"]) == ("private", rehearsal["title"])
    assert audience(api, rehearsal, preview) is Audience.OWNER
    monkeypatch.setattr("headwater.domain.stream_rules.WITHHELD_LIMIT", 0)
    full = owner.api.patch(f"/v1/broadcasts/{recorded(api, owner.stream())}", {"privacy": "private"})
    assert full.code == "limit_reached"


def test_a_deleted_recording_is_gone_for_everybody_and_late_news_do_not_bring_it_back(api: RestApi) -> None:
    owner = api.newcomer()
    stream = owner.stream()
    kept, broadcast_id = recorded(api, stream), api.go_live(stream)
    api.happen(stream, Stop())
    api.finalise(stream, broadcast_id)
    bodies = received(api.news_queue)
    write_history(bodies)
    assert owner.api.delete(f"/v1/broadcasts/{broadcast_id}").status == 204
    [told] = api.news()
    assert (told.name, told.broadcast_id) == (StreamEventName.RECORDING_DELETED, broadcast_id)
    assert audience(api, stream, broadcast_id) is Audience.NOBODY
    assert audience(api, stream, kept) is Audience.EVERYONE
    write_history(bodies)
    for client in (owner.api, api.anonymous):
        assert client.get(f"/v1/broadcasts/{broadcast_id}").status == 404
    assert listed(owner, stream) == listed(api, stream) == [kept]
    assert [item["id"] for item in api.anonymous.get("/v1/broadcasts").json["items"]] == [kept]
    assert owner.api.delete(f"/v1/broadcasts/{broadcast_id}").status == 404
    assert owner.api.patch(f"/v1/broadcasts/{broadcast_id}", {"title": "Back"}).status == 404


def test_what_is_on_the_air_or_being_finalised_is_not_deleted(api: RestApi) -> None:
    owner = api.newcomer()
    stream = owner.stream()
    broadcast_id = api.go_live(stream)
    api.tell_history()
    path = f"/v1/broadcasts/{broadcast_id}"
    assert owner.api.delete(path).code == "conflict"
    api.happen(stream, Stop())
    assert owner.api.delete(path).code == "conflict"
    assert api.anonymous.get(path).status == 200
    api.finalise(stream, broadcast_id)
    assert owner.api.delete(path).status == 204


def test_a_broadcast_that_was_not_to_be_recorded_ended_and_did_not_fail(api: RestApi) -> None:
    owner = api.newcomer()
    stream = owner.stream(record=False)
    broadcast_id = recorded(api, stream, finalise=False)
    api.discard(stream, broadcast_id)
    api.tell_history()
    shown = api.anonymous.get(f"/v1/broadcasts/{broadcast_id}").json
    assert (shown["status"], shown["recorded"], shown["playback"]) == ("ended", False, None)
    assert shown["thumbnail_url"] is None, "it went with the rest"
    assert api.anonymous.get(f"/v1/streams/{stream['id']}").json["thumbnail_url"] is None
    assert audience(api, stream, broadcast_id) is Audience.NOBODY
    assert owner.api.patch(f"/v1/broadcasts/{broadcast_id}", {"privacy": "private"}).code == "conflict"


def test_lists_lead_nobody_to_a_suspended_account_whose_recordings_stay_where_they_are(api: RestApi) -> None:
    owner, admin = api.newcomer(), api.newcomer(Role.ADMIN)
    stream = owner.stream()
    path = f"/v1/broadcasts/{recorded(api, stream)}"
    about = f"/v1/admin/users/{owner.user['username']}"
    for act, shown in (("suspend", 0), ("unsuspend", 1)):
        assert admin.api.post(f"{about}/{act}", {"reason": "Spam"}).status == 200
        for advertised in ("/v1/broadcasts", "/v1/streams"):
            assert len(api.anonymous.get(advertised).json["items"]) == shown, (act, advertised)
        assert api.anonymous.get(path).status == 200


def test_a_setting_for_the_next_broadcast_takes_no_recording_from_the_last_one(api: RestApi) -> None:
    owner = api.newcomer()
    stream = owner.stream()
    broadcast_id = recorded(api, stream, finalise=False)
    assert owner.api.patch(f"/v1/streams/{stream['id']}", {"record": False}).status == 200
    api.finalise(stream, broadcast_id)
    api.tell_history()
    shown = api.anonymous.get(f"/v1/broadcasts/{broadcast_id}").json
    assert (shown["status"], shown["recorded"]) == ("ready", True)


def test_what_the_hot_state_took_and_the_database_never_heard_of_is_undone_by_saying_how_it_shall_be(
    api: RestApi,
) -> None:
    owner, stranger = api.newcomer(), api.newcomer()
    stream = owner.stream(privacy="private")
    path, broadcast_id = f"/v1/streams/{stream['id']}", recorded(api, stream)
    for event in (
        Configure(StreamSettings()),
        Withhold(broadcast_id, withheld=True),
        NameViewers((UserId(stranger.user["id"]),)),
        NameModerators((UserId(stranger.user["id"]),)),
    ):
        api.happen(stream, event)
    assert owner.api.patch(path, {"privacy": "private"}).status == 200
    assert owner.api.patch(f"/v1/broadcasts/{broadcast_id}", {"privacy": "public"}).status == 200
    for role in ("viewers", "moderators"):
        assert owner.api.delete(f"{path}/{role}/{stranger.user['username']}").status == 204
    control = api.hot_state.read(StreamId(stream["id"]))
    assert control is not None
    assert (control.settings.private, control.withheld) == (True, ())
    assert (control.viewers, control.moderators) == ((), ())


def test_a_delete_that_the_hot_state_did_not_take_changes_nothing(
    api: RestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = api.newcomer()
    stream = owner.stream()
    path = f"/v1/broadcasts/{recorded(api, stream)}"

    def fails(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(recordings_use_case, "DeleteRecording", fails)
    assert owner.api.delete(path).status == 500
    monkeypatch.undo()
    assert msgspec.json.decode(api.anonymous.get(path).text)["status"] == "ready"

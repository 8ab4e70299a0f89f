"""Clips: made at once over what is stored, by whoever may watch, and gone with their recording."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import m3u8
import msgspec
import pytest

from functions.api.use_cases import clips as clips_use_case
from headwater.adapters import aws
from headwater.domain.broadcast_events import Stop
from headwater.domain.clips import ClipId
from headwater.domain.ids import BroadcastId, UserId, new_id
from headwater.media.timeline import Timeline
from tests.rest_api import CDN, MEDIA_BUCKET, RestApi
from tests.timelines import WALL, epoch, segments

EPOCH = epoch(1, "360p", "audio")
SEGMENTS = segments(EPOCH, [2_000] * 60)


def live(api: RestApi, stream: dict[str, Any]) -> BroadcastId:
    broadcast_id = api.go_live(stream)
    api.record(Timeline(stream["id"], broadcast_id, (EPOCH,), SEGMENTS))
    api.tell_history()
    return broadcast_id


def stored(prefix: str = "") -> Iterator[str]:
    listed = aws.client("s3").list_objects_v2(Bucket=MEDIA_BUCKET, Prefix=prefix)
    return (entry["Key"] for entry in listed.get("Contents", []))


def body_of(url: str) -> str:
    key = url.removeprefix(f"{CDN}/").removeprefix("private/").removeprefix("owner/")
    text: str = aws.client("s3").get_object(Bucket=MEDIA_BUCKET, Key=key)["Body"].read().decode()
    return text


def test_a_clip_of_what_is_live_can_be_watched_at_once(api: RestApi) -> None:
    owner, viewer = api.newcomer(), api.newcomer()
    stream = owner.stream()
    broadcast_id = live(api, stream)
    path = f"/v1/streams/{stream['id']}/clips"
    made = viewer.api.post(path, {"title": "  What a goal ⚽ ", "start": 31, "duration": 20})
    assert made.status == 201, made.text
    clip = made.json
    assert (clip["title"], clip["start"], clip["duration"]) == ("What a goal ⚽", 30.0, 22.0)
    assert (clip["stream_id"], clip["broadcast_id"]) == (stream["id"], broadcast_id)
    assert clip["created_by"]["username"] == viewer.user["username"]
    assert clip["thumbnail_url"] == f"{CDN}/{stream['id']}/{broadcast_id}/thumbnails/3.jpg"
    folder = f"{CDN}/{stream['id']}/{broadcast_id}/clips/{clip['id']}"
    assert clip["playback"] == {"hls": f"{folder}/index.m3u8", "dash": f"{folder}/index.mpd"}
    assert m3u8.loads(body_of(clip["playback"]["hls"])).playlists[0].uri == "360p.m3u8"
    playlist = m3u8.loads(body_of(f"{folder}/360p.m3u8"))
    assert [each.uri for each in playlist.segments][::10] == ["../../360p/1-30000.m4s", "../../360p/1-50000.m4s"]
    assert "static" in body_of(clip["playback"]["dash"])
    for client in (api.anonymous, viewer.api, owner.api):
        assert client.get(f"/v1/clips/{clip['id']}").json == clip
        assert client.get(path).json["items"] == [clip]


def test_a_moment_that_the_player_shows_is_as_good_as_seconds(api: RestApi) -> None:
    stream = api.newcomer().stream()
    live(api, stream)
    moment = WALL // 1000 + 30
    start = datetime.fromtimestamp(moment, UTC).isoformat()
    clip = api.newcomer().api.post(f"/v1/streams/{stream['id']}/clips", {"title": "x", "start": start}).json
    assert (clip["start"], clip["duration"]) == (30.0, 30.0)


def test_a_recording_is_clipped_by_name_and_clips_are_listed_newest_first(api: RestApi) -> None:
    owner = api.newcomer()
    stream = owner.stream()
    broadcast_id = live(api, stream)
    api.encoder_leaves(stream)
    api.happen(stream, Stop())
    api.finalise(stream, broadcast_id)
    api.tell_history()
    path = f"/v1/streams/{stream['id']}/clips"
    wish = {"title": "x", "start": 0.5, "duration": 60, "broadcast_id": broadcast_id}
    made = [owner.api.post(path, wish).json["id"] for _ in range(3)]
    page = api.anonymous.get(path, limit="2").json
    assert [item["id"] for item in page["items"]] == made[:0:-1]
    rest = api.anonymous.get(path, limit="2", cursor=page["next_cursor"]).json
    assert ([item["id"] for item in rest["items"]], rest["next_cursor"]) == (made[:1], None)
    assert page["items"][0]["duration"] == 62.0
    assert api.anonymous.get(path, cursor="nonsense").status == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": "x"}, "start"),
        ({"start": 0}, "title"),
        ({"title": " ", "start": 0}, "title"),
        ({"title": "\u202ex", "start": 0}, "title"),
        ({"title": "x", "start": -1}, "start"),
        ({"title": "x", "start": 1e9}, "start"),
        ({"title": "x", "start": True}, "start"),
        ({"title": "x", "start": "soon"}, "start"),
        ({"title": "x", "start": "2027-01-31T20:00:00"}, "start"),
        ({"title": "x", "start": "0001-01-01T00:00:00+23:59"}, "start"),
        ({"title": "x", "start": None}, "start"),
        ({"title": "x", "start": 0, "duration": 0}, "duration"),
        ({"title": "x", "start": 0, "duration": 60.1}, "duration"),
        ({"title": "x", "start": 0, "duration": "10"}, "duration"),
        ({"title": "x", "start": 0, "broadcast_id": "../../etc"}, "broadcast_id"),
        ({"title": "x", "start": 120}, "start"),  # nothing is there yet
        ({"title": "x", "start": 0, "privacy": "public"}, "privacy"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_by_field_and_leaves_nothing(
    api: RestApi, body: dict[str, Any], field: str
) -> None:
    viewer = api.newcomer()
    stream = api.newcomer().stream()
    live(api, stream)
    answer = viewer.api.post(f"/v1/streams/{stream['id']}/clips", body)
    assert (answer.status, answer.code) == (422, "invalid_input"), answer.text
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert list(stored(stream["id"])) == []


def test_only_what_is_recorded_and_may_be_watched_is_clipped(api: RestApi) -> None:
    owner, viewer = api.newcomer(), api.newcomer()
    wish = {"title": "x", "start": 0}
    unrecorded, silent, other, preview = (
        owner.stream(record=False), owner.stream(), owner.stream(), owner.stream(auto_start=False),
    )  # fmt: skip
    for stream in (unrecorded, other, preview):
        live(api, stream)

    def refused(stream: dict[str, Any], **more: str) -> str | None:
        return viewer.api.post(f"/v1/streams/{stream['id']}/clips", {**wish, **more}).code

    assert refused(unrecorded) == refused(silent) == refused(preview) == "not_recorded"
    of_other = viewer.api.get(f"/v1/streams/{other['id']}/broadcasts").json["items"][0]["id"]
    assert refused(silent, broadcast_id=of_other) == "not_found"
    mine = owner.api.post(f"/v1/streams/{preview['id']}/clips", wish)
    assert mine.json["playback"]["hls"].startswith(f"{CDN}/owner/")
    assert viewer.api.get(f"/v1/clips/{mine.json['id']}").status == 404
    assert viewer.api.get(f"/v1/streams/{preview['id']}/clips").json["items"] == []


def test_a_clip_is_deleted_with_its_manifests_and_the_segments_stay(api: RestApi) -> None:
    owner, maker, another = api.newcomer(), api.newcomer(), api.newcomer()
    stream = owner.stream()
    broadcast_id = live(api, stream)
    segment = f"{stream['id']}/{broadcast_id}/360p/1-0.m4s"
    aws.client("s3").put_object(Bucket=MEDIA_BUCKET, Key=segment, Body=b"media")
    path, wish = f"/v1/streams/{stream['id']}/clips", {"title": "x", "start": 0}
    first, second = (maker.api.post(path, wish).json["id"] for _ in range(2))
    assert another.api.delete(f"/v1/clips/{first}").code == "forbidden"
    assert maker.api.delete(f"/v1/clips/{first}").status == 204
    assert owner.api.delete(f"/v1/clips/{second}").status == 204
    assert list(stored(stream["id"])) == [segment]
    assert owner.api.get(f"/v1/clips/{first}").status == 404
    assert owner.api.delete("/v1/clips/not-an-id").status == 404


def test_clips_go_with_their_recording_also_when_none_is_kept_in_the_end(api: RestApi) -> None:
    owner = api.newcomer()
    for ends in ("deleted", "discarded"):
        stream = owner.stream()
        broadcast_id = live(api, stream)
        clip = owner.api.post(f"/v1/streams/{stream['id']}/clips", {"title": "x", "start": 0}).json["id"]
        api.encoder_leaves(stream)
        api.happen(stream, Stop())
        if ends == "deleted":
            api.finalise(stream, broadcast_id)
            api.tell_history()
            assert owner.api.delete(f"/v1/broadcasts/{broadcast_id}").status == 204
        else:
            api.discard(stream, broadcast_id)
            api.tell_history()
        with api.services.unit_of_work() as unit:  # of somebody who was a little slower
            unit.clips.add(late := ClipId(new_id()), broadcast_id, UserId(owner.user["id"]), "x", 0.0, 30.0, None)
        for gone in (clip, late):
            assert owner.api.get(f"/v1/clips/{gone}").status == 404
        assert owner.api.get(f"/v1/streams/{stream['id']}/clips").json["items"] == []


def test_clips_are_limited_by_the_minute_and_in_number(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer, stream = api.newcomer(), api.newcomer().stream()
    live(api, stream)
    path, wish = f"/v1/streams/{stream['id']}/clips", {"title": "x", "start": 0, "duration": 2}
    monkeypatch.setattr(clips_use_case, "MOST_OF_USER", 1)
    assert [viewer.api.post(path, wish).code for _ in range(2)] == [None, "limit_reached"]
    settings = msgspec.structs.replace(api.services.settings, clips_per_minute=1)
    monkeypatch.setattr(api.services, "settings", settings)
    other = api.newcomer()
    assert [other.api.post(path, wish).code for _ in range(2)] == [None, "rate_limited"]


def test_a_clip_outlives_the_account_of_its_maker(api: RestApi) -> None:
    maker, stream = api.newcomer(), api.newcomer().stream()
    live(api, stream)
    clip = maker.api.post(f"/v1/streams/{stream['id']}/clips", {"title": "x", "start": 0}).json["id"]
    with api.services.database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM users WHERE id = %s", (maker.user["id"],))
    assert api.anonymous.get(f"/v1/clips/{clip}").json["created_by"] is None

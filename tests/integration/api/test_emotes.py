"""A stream's own emotes: from the form to pictures that can be said, and away again."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from functions.picture_maker import wiring as picture_wiring
from functions.picture_maker.handler import handler as picture_maker
from headwater.adapters import aws
from headwater.domain.emotes import BUILT_IN, LIMIT
from tests.account_mail import WEB
from tests.api_world import an_emote
from tests.aws import queue_record
from tests.rest_api import CDN, MEDIA_BUCKET, UPLOAD_BUCKET, Person, RestApi


@pytest.fixture
def maker(api: RestApi) -> Iterator[RestApi]:
    """The function behind S3's notifications, too."""
    yield api
    picture_wiring.make_emote.cache_clear()


def picture(size: tuple[int, int] = (300, 100)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, "PNG")
    return out.getvalue()


def ask(person: Person, stream: dict[str, Any], name: str) -> str:
    """The key under which the form stores what is sent with it."""
    answer = person.api.post(f"/v1/streams/{stream['id']}/emotes", {"name": name, "content_type": "image/png"})
    assert answer.status == 201, answer.text
    key: str = answer.json["fields"]["key"]
    assert key == f"emotes/{stream['id']}/{answer.json['id']}"
    return key


def send(key: str, body: bytes, times: int = 1) -> None:
    aws.client("s3").put_object(Bucket=UPLOAD_BUCKET, Key=key, Body=body)
    body_of_message = json.dumps({"Records": [{"s3": {"object": {"key": key}}}]})
    for _ in range(times):
        assert picture_maker({"Records": [queue_record("m", body_of_message)]}, None)["batchItemFailures"] == []


def stored(bucket: str, stream: dict[str, Any]) -> list[str]:
    listed = aws.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"emotes/{stream['id']}/")
    return sorted(each["Key"] for each in listed.get("Contents", []))


def own(api: Any, stream: dict[str, Any]) -> list[dict[str, Any]]:
    items = api.get(f"/v1/streams/{stream['id']}/emotes").json["items"]
    return [item for item in items if not item["built_in"]]


def test_everybody_is_told_of_the_built_in_emotes(api: RestApi) -> None:
    stream = api.newcomer().stream()
    items = api.anonymous.get(f"/v1/streams/{stream['id']}/emotes").json["items"]
    assert [item["name"] for item in items] == list(BUILT_IN)
    assert items[0]["images"]["28"] == f"{WEB}/emotes/{BUILT_IN[0]}.svg"


def test_an_upload_becomes_an_emote_of_three_sizes_whole_and_nothing_of_the_original_is_left(maker: RestApi) -> None:
    owner = maker.newcomer()
    stream = owner.stream()
    key = ask(owner, stream, "otterHi")
    assert own(maker.anonymous, stream) == []
    assert [(each["name"], each["status"], each["images"]) for each in own(owner.api, stream)] == [
        ("otterHi", "pending", None)
    ]
    send(key, picture(), times=2)  # S3 notifies at least once
    (emote,) = own(maker.anonymous, stream)
    assert (emote["name"], emote["status"], emote["id"]) == ("otterHi", "ready", key.rpartition("/")[2])
    assert emote["images"] == {size: f"{CDN}/{key}/{size}.webp" for size in ("28", "56", "112")}
    assert stored(MEDIA_BUCKET, stream) == [f"{key}/{size}.webp" for size in (112, 28, 56)]
    assert stored(UPLOAD_BUCKET, stream) == []
    made = aws.client("s3").get_object(Bucket=MEDIA_BUCKET, Key=f"{key}/56.webp")
    shown = Image.open(made["Body"]).convert("RGBA")
    assert (made["ContentType"], shown.size) == ("image/webp", (56, 56))
    alpha = shown.getchannel("A")
    assert [alpha.getpixel(at) for at in ((28, 2), (28, 28), (28, 54))] == [0, 255, 0], "three times as wide as high"


def test_what_is_no_picture_is_told_to_who_keeps_the_emotes_and_may_be_sent_anew(maker: RestApi) -> None:
    owner = maker.newcomer()
    stream = owner.stream()
    send(ask(owner, stream, "otterHi"), b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    (failed,) = own(owner.api, stream)
    assert failed["status"] == "failed"
    assert "JPEG" in failed["problem"]
    assert own(maker.anonymous, stream) == []
    send(ask(owner, stream, "otterHi"), picture())
    assert [each["status"] for each in own(maker.anonymous, stream)] == ["ready"]


def test_only_the_upload_that_was_asked_for_last_counts(maker: RestApi) -> None:
    owner = maker.newcomer()
    stream = owner.stream()
    overtaken, newest = ask(owner, stream, "otterHi"), ask(owner, stream, "otterHi")
    send(overtaken, picture())
    assert [each["status"] for each in own(owner.api, stream)] == ["pending"]
    send(newest, picture())
    assert {key.rpartition("/")[0] for key in stored(MEDIA_BUCKET, stream)} == {newest}


def test_an_emote_that_is_taken_away_is_gone_with_its_files_also_while_it_is_being_made(maker: RestApi) -> None:
    owner = maker.newcomer()
    stream = owner.stream()
    path = f"/v1/streams/{stream['id']}/emotes/otterHi"
    send(ask(owner, stream, "otterHi"), picture())
    assert owner.api.delete(path).status == 204
    assert (own(owner.api, stream), stored(MEDIA_BUCKET, stream)) == ([], [])
    assert owner.api.delete(path).status == 404
    late = ask(owner, stream, "otterHi")
    assert owner.api.delete(path).status == 204
    send(late, picture())
    assert (own(owner.api, stream), stored(MEDIA_BUCKET, stream)) == ([], [])
    assert stored(UPLOAD_BUCKET, stream) == []


def test_the_moderation_log_says_who_added_and_who_took_away_which_emote(api: RestApi) -> None:
    owner, moderator = api.newcomer(), api.newcomer()
    stream = owner.stream()
    base = f"/v1/streams/{stream['id']}"
    assert owner.api.put(f"{base}/moderators/{moderator.user['username']}").status == 204
    for _ in range(2):  # a form that is asked for again is no other emote
        ask(moderator, stream, "otterHi")
    assert owner.api.delete(f"{base}/emotes/otterHi").status == 204
    removed, added = owner.api.get(f"{base}/moderation-log").json["items"][:2]
    assert [(each["action"], each["actor"]["id"], each["details"]) for each in (added, removed)] == [
        ("emote", moderator.user["id"], {"name": "otterHi"}),
        ("unemote", owner.user["id"], {"name": "otterHi"}),
    ]


def test_a_name_is_one_emotes_and_there_are_only_so_many(api: RestApi) -> None:
    owner = api.newcomer()
    stream = owner.stream()
    path = f"/v1/streams/{stream['id']}/emotes"
    for bad in ("ab", "a b", "emöte", "hwMine", "x" * 25, "a\n", ""):
        answer = owner.api.post(path, {"name": bad, "content_type": "image/png"})
        assert (answer.status, [each["field"] for each in answer.json["errors"]]) == (422, ["name"])
    for number in range(LIMIT):
        an_emote(api, stream["id"], owner, f"otter{number}")
    taken = owner.api.post(path, {"name": "otter1", "content_type": "image/png"})
    assert (taken.status, taken.code) == (409, "conflict")
    more = owner.api.post(path, {"name": "oneMore", "content_type": "image/png"})
    assert (more.status, more.code) == (409, "limit_reached")
    assert len(own(api.anonymous, stream)) == LIMIT

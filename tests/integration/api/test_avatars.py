"""One's picture: from the form to three sizes that everybody is shown, and away again."""

from __future__ import annotations

import base64
import json

from headwater.adapters import aws
from tests.account_functions import keys, notify, picture, send_file, work_off
from tests.rest_api import MEDIA_BUCKET, UPLOAD_BUCKET, RestApi


def test_a_form_takes_one_picture_of_the_type_and_size_that_it_says(api: RestApi) -> None:
    person = api.newcomer()
    form = person.api.post("/v1/me/avatar", {"content_type": "image/webp"}).json
    assert form["fields"]["key"].startswith(f"avatars/{person.user['id']}/")
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))
    assert ["content-length-range", 1, form["max_bytes"]] in policy["conditions"]
    assert {"Content-Type": "image/webp"} in policy["conditions"]
    assert {"key": form["fields"]["key"]} in policy["conditions"]
    assert person.api.post("/v1/me/avatar", {"content_type": "image/svg+xml"}).code == "invalid_input"
    assert person.api.get("/v1/me/avatar").json == {"status": "pending", "avatar_url": None, "problem": None}


def test_an_upload_becomes_the_avatar_and_nothing_of_the_original_is_left(behind: RestApi) -> None:
    person = behind.newcomer()
    key = send_file(person, picture())
    for _ in range(2):  # S3 notifies at least once
        notify(key)
    avatar = person.api.get("/v1/me/avatar").json
    assert avatar["status"] == "ready"
    assert behind.anonymous.get(f"/v1/users/{person.user['username']}").json["avatar_url"] == avatar["avatar_url"]
    assert person.stream()["owner"]["avatar_url"] == avatar["avatar_url"]
    shown = keys(MEDIA_BUCKET, person)
    assert [name.rpartition("/")[2] for name in shown] == ["256.webp", "512.webp", "64.webp"]
    assert any(avatar["avatar_url"].endswith(name) for name in shown)
    assert keys(UPLOAD_BUCKET, person) == []
    head = aws.client("s3").head_object(Bucket=MEDIA_BUCKET, Key=shown[0])
    assert (head["ContentType"], head["CacheControl"]) == ("image/webp", "public, max-age=86400, immutable")


def test_a_new_picture_replaces_the_old_one_and_one_that_is_overtaken_is_dropped(behind: RestApi) -> None:
    person = behind.newcomer()
    first = send_file(person, picture("red"))
    notify(first)
    old = person.api.get("/v1/me").json["avatar_url"]
    overtaken = send_file(person, picture("green"))
    newest = send_file(person, picture("blue"))
    notify(newest)
    notify(overtaken)
    new = person.api.get("/v1/me").json["avatar_url"]
    assert new != old
    assert {name.split("/")[2] for name in keys(MEDIA_BUCKET, person)} == {newest.split("/")[2]}
    assert keys(UPLOAD_BUCKET, person) == []


def test_who_sent_no_picture_is_told_so_and_keeps_the_old_one(behind: RestApi) -> None:
    person = behind.newcomer()
    notify(send_file(person, picture()))
    before = person.api.get("/v1/me").json["avatar_url"]
    notify(send_file(person, b"<script>alert(1)</script>"))
    avatar = person.api.get("/v1/me/avatar").json
    assert (avatar["status"], avatar["avatar_url"]) == ("failed", before)
    assert "JPEG" in avatar["problem"]
    assert keys(UPLOAD_BUCKET, person) == []


def test_an_avatar_that_is_taken_away_is_gone_with_its_files(behind: RestApi) -> None:
    person = behind.newcomer()
    notify(send_file(person, picture()))
    assert person.api.delete("/v1/me/avatar").status == 204
    assert person.api.get("/v1/me/avatar").json == {"status": "none", "avatar_url": None, "problem": None}
    work_off()
    assert keys(MEDIA_BUCKET, person) == []

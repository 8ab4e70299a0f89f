"""A copy of one's data: through the API and the function behind it."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.account_data.handler import handler as account_data
from headwater.adapters import aws
from headwater.adapters.bucket import Bucket
from headwater.adapters.tables import account_exports, metadata, users
from headwater.domain.ids import UserId
from tests.account_functions import bodies, keys, say, work_off
from tests.api_world import a_clip
from tests.aws import queue_record
from tests.rest_api import PASSWORD, UPLOAD_BUCKET, RestApi

# Where a person is named, and what an export calls it.
EXPORTED = {
    "sessions": "sessions", "identities": "identities", "mail_links": "mail_links", "streams": "streams",
    "stream_viewers": "may_watch", "stream_moderators": "moderates", "stream_vips": "is_vip",
    "clips": "clips", "follows": "following",
    "personal_tokens": "personal_tokens", "avatar_uploads": "avatar_upload", "account_exports": "exports",
}  # fmt: skip


def test_a_copy_of_ones_data_holds_everything_and_no_secret(behind: RestApi) -> None:
    person, other = behind.register(), behind.newcomer()
    stream = person.stream(title="A stream of mine")
    person.api.put(f"/v1/users/{other.user['username']}/follow")
    token = person.api.post("/v1/me/tokens", {"name": "Bot", "scopes": ["read:account"]}).json["token"]
    for text in ("One thing", "Another thing"):
        say(behind, person, stream, text)
    say(behind, other, stream, "Somebody else's words")
    asked = person.api.post("/v1/me/exports")
    assert (asked.status, asked.json["status"], asked.json["url"]) == (202, "pending", None)
    again = person.api.post("/v1/me/exports")
    assert (again.status, again.headers["retry-after"]) == (429, "3600")
    work_off()
    ready = person.api.get("/v1/me/exports").json["items"][0]
    assert ready["status"] == "ready"
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in ready["url"], "what newer regions take"
    (key,) = keys(UPLOAD_BUCKET, person)
    assert key.startswith(f"exports/{person.user['id']}/")
    text = gzip.decompress(aws.client("s3").get_object(Bucket=UPLOAD_BUCKET, Key=key)["Body"].read()).decode()
    copy = json.loads(text)
    assert copy["account"][0]["email"] == person.user["email"]
    assert copy["streams"][0]["title"] == "A stream of mine"
    assert copy["following"][0]["username"] == other.user["username"]
    assert [message["text"] for message in copy["chat_messages"]] == ["One thing", "Another thing"]
    for secret in (token, "argon2", "hash", "Somebody else's words"):
        assert secret not in text
    assert other.api.get("/v1/me/exports").json["items"] == []


def test_whatever_is_stored_about_a_person_is_in_the_copy(api: RestApi) -> None:
    """A table that is made one day and refers to people fails this, until it is thought of."""
    about_people = {
        table.name for table in metadata.tables.values() for key in table.foreign_keys if key.column is users.c.id
    }
    assert about_people == set(EXPORTED)
    person = api.newcomer()
    with api.services.unit_of_work() as unit:
        sections = dict(unit.account_records.sections(UserId(person.user["id"])))
    assert set(EXPORTED.values()) <= set(sections)


def test_a_copy_holds_clips_and_who_is_named_by_whom(api: RestApi) -> None:
    person, friend = api.newcomer(), api.newcomer()
    own, theirs = person.stream(privacy="private"), friend.stream(privacy="private")
    person.api.put(f"/v1/streams/{own['id']}/viewers/{friend.user['username']}")
    person.api.put(f"/v1/streams/{own['id']}/moderators/{friend.user['username']}")
    friend.api.put(f"/v1/streams/{theirs['id']}/viewers/{person.user['username']}")
    broadcast_id = api.go_live(own)
    api.tell_history()
    a_clip(api, broadcast_id, person)
    with api.services.unit_of_work() as unit:
        copy = dict(unit.account_records.sections(UserId(person.user["id"])))
    assert [each["username"] for name in ("viewers", "moderators") for each in copy[name]] == [
        friend.user["username"]
    ] * 2
    assert [each["stream_id"] for each in copy["may_watch"]] == [theirs["id"]]
    assert [each["title"] for each in copy["clips"]] == ["A clip"]


def test_a_copy_that_is_finished_when_its_owner_has_gone_is_left_nowhere(
    behind: RestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = behind.register()
    person.api.post("/v1/me/exports")
    put = Bucket.put

    def leave_meanwhile(*given: Any) -> None:
        monkeypatch.undo()
        assert person.api.post("/v1/me/deletion", {"password": PASSWORD}).status == 204
        put(*given)

    monkeypatch.setattr(Bucket, "put", leave_meanwhile)
    export, *_ = bodies()
    assert account_data({"Records": [queue_record("m", export)]}, None)["batchItemFailures"] == []
    assert keys(UPLOAD_BUCKET, person) == []


def test_a_copy_that_cannot_be_made_is_said_to_have_failed_when_another_may_be_asked_for(api: RestApi) -> None:
    person = api.newcomer()
    person.api.post("/v1/me/exports")
    with api.services.database.begin() as connection:
        connection.execute(account_exports.update().values(created_at=datetime.now(UTC) - timedelta(minutes=61)))
    assert person.api.get("/v1/me/exports").json["items"][0]["status"] == "failed"
    assert person.api.post("/v1/me/exports").status == 202

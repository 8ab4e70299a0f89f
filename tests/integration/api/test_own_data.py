"""One's picture, a copy of one's data, and the end of one's account: through the API and the functions behind it."""

from __future__ import annotations

import base64
import gzip
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.sqs.models import sqs_backends
from PIL import Image
from sqlalchemy import func, select

from functions.account_data import wiring as account_data_wiring
from functions.account_data.handler import handler as account_data
from functions.picture_maker import wiring as avatar_wiring
from functions.picture_maker.handler import handler as picture_maker
from headwater.adapters import aws
from headwater.adapters.bucket import Bucket
from headwater.adapters.chat_archive import ChatArchive
from headwater.adapters.chat_standings import ChatStandings
from headwater.adapters.signed_in_sockets import SignedInSockets
from headwater.adapters.tables import (
    account_exports,
    chat_messages,
    mail_links,
    metadata,
    refresh_tokens,
    sessions,
    users,
)
from headwater.contracts import ChatMessageArchived
from headwater.domain.accounts import Role
from headwater.domain.decision import Outcome
from headwater.domain.ids import MessageId, StreamId, UserId, id_bound, new_id
from headwater.errors import DependencyUnavailable
from tests.account_mail import letters
from tests.api_world import a_clip
from tests.aws import REGION, ROOM_TABLE, queue_record
from tests.factories import publish, session_ref
from tests.rest_api import MEDIA_BUCKET, PASSWORD, UPLOAD_BUCKET, Person, RestApi


@pytest.fixture
def behind(api: RestApi) -> Any:
    """The functions behind the queues, which keep a connection each."""
    yield api
    for wiring in (account_data_wiring, avatar_wiring):
        wiring.database().close()
        wiring.database.cache_clear()
    avatar_wiring.make_avatar.cache_clear()


def keys(bucket: str, person: Person) -> list[str]:
    """What lies under this person's name."""
    listed = aws.client("s3").list_objects_v2(Bucket=bucket)
    return sorted(each["Key"] for each in listed.get("Contents", []) if f"/{person.user['id']}/" in each["Key"])


def send_file(person: Person, body: bytes, form: dict[str, Any] | None = None) -> str:
    """What S3 does with a form that is filled in as it should be; answers with the object's key."""
    if form is None:
        form = person.api.post("/v1/me/avatar", {"content_type": "image/png"}).json
    key: str = form["fields"]["key"]
    aws.client("s3").put_object(Bucket=UPLOAD_BUCKET, Key=key, Body=body)
    return key


def notify(*uploaded: str) -> None:
    records = [{"s3": {"object": {"key": key}}} for key in uploaded]
    answer = picture_maker({"Records": [queue_record("m", json.dumps({"Records": records}))]}, None)
    assert answer["batchItemFailures"] == []


def work_off() -> None:
    """Hand what the API asked for to the function that does it."""
    records = [queue_record(str(number), body) for number, body in enumerate(bodies())]
    assert account_data({"Records": records}, None)["batchItemFailures"] == []


def bodies() -> list[str]:
    """Also of messages that are to come later, which takes a look behind moto's curtain."""
    queue = sqs_backends["123456789012"][REGION].queues["account-data"]
    found = [message.body for message in queue._messages]
    queue._messages.clear()
    return found


def picture(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (300, 200), colour).save(out, "PNG")
    return out.getvalue()


def say(api: RestApi, person: Person, stream: dict[str, Any], text: str) -> None:
    message = ChatMessageArchived(
        stream_id=StreamId(stream["id"]),
        seq=1,
        message_id=MessageId(new_id()),
        user_id=UserId(person.user["id"]),
        username=person.user["username"],
        text=text,
        reply_to=None,
        created_at=1_800_000_000_000,
    )
    with api.services.database.begin() as connection:
        ChatArchive(connection).record([message])


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


def test_an_account_is_deleted_by_password_and_leaves_only_anonymous_words(behind: RestApi) -> None:
    person, friend, fan = behind.register(), behind.newcomer(), behind.newcomer()
    person.api.put(f"/v1/users/{friend.user['username']}/follow")
    fan.api.put(f"/v1/users/{person.user['username']}/follow")
    stream, elsewhere = person.stream(), friend.stream()
    behind.go_live(stream)
    say(behind, person, elsewhere, "Hello there")
    notify(send_file(person, picture()))

    assert person.api.post("/v1/me/deletion", {"password": "not it at all"}).code == "invalid_input"
    assert person.api.post("/v1/me/deletion", {"password": PASSWORD}).status == 204
    # At once: nobody can be them, find them, watch them or publish.
    assert person.api.get("/v1/me").status == 401
    assert behind.anonymous.post("/v1/auth/refresh", {"refresh_token": person.refresh_token}).status == 401
    login = {"login": person.user["username"], "password": PASSWORD}
    assert behind.anonymous.post("/v1/auth/login", login).code == "invalid_credentials"
    assert behind.anonymous.get(f"/v1/users/{person.user['username']}").status == 404
    assert behind.anonymous.get(f"/v1/streams/{stream['id']}").status == 404
    assert behind.happen(stream, publish(session_ref("after"))).outcome is Outcome.REFUSED
    assert fan.api.get("/v1/me/following").json["items"] == []
    # And soon: nothing is left.
    work_off()
    with behind.services.database.begin() as connection:
        assert connection.execute(users.select().where(users.c.id == person.user["id"])).first() is None
        (said,) = connection.execute(chat_messages.select()).all()
    assert (said.user_id, said.username, said.text) == ("", "deleted", "Hello there")
    assert keys(MEDIA_BUCKET, person) == []
    assert behind.anonymous.get(f"/v1/users/{friend.user['username']}").json["follower_count"] == 0
    work_off()
    behind.register(person.user["username"])  # the name is free again


# Where a person is named, and what an export calls it.
EXPORTED = {
    "sessions": "sessions", "identities": "identities", "mail_links": "mail_links", "streams": "streams",
    "stream_viewers": "may_watch", "stream_moderators": "moderates", "stream_vips": "is_vip",
    "clips": "clips", "follows": "following",
    "personal_tokens": "personal_tokens", "avatar_uploads": "avatar_upload", "account_exports": "exports",
}  # fmt: skip


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


def following_in_chat(api: RestApi, follower: Person, owner: Person) -> bool:
    """What a room of the owner's knows, without PostgreSQL and anything remembered."""
    standings = ChatStandings(api.services.settings.cache_url, ROOM_TABLE)
    standing = standings.of(StreamId(new_id()), UserId(owner.user["id"]), UserId(follower.user["id"]))
    return standing.follows_since_ms is not None


def test_chat_learns_who_follows_whom_however_late_and_often_it_is_told(behind: RestApi) -> None:
    owner, fan = behind.newcomer(), behind.newcomer()
    path = f"/v1/users/{owner.user['username']}/follow"
    assert fan.api.put(path).status == 204
    followed = bodies()
    assert not following_in_chat(behind, fan, owner)
    account_data({"Records": [queue_record("first", body) for body in followed]}, None)
    assert following_in_chat(behind, fan, owner)
    assert not following_in_chat(behind, owner, fan)
    assert fan.api.delete(path).status == 204
    unfollowed = bodies()
    for body in (*unfollowed, *followed):  # in any order, the last says what is true
        account_data({"Records": [queue_record("again", body)]}, None)
        assert not following_in_chat(behind, fan, owner)


def test_chat_forgets_the_followers_and_the_followed_of_an_account_that_is_gone(behind: RestApi) -> None:
    person, friend, fan = behind.newcomer(), behind.newcomer(), behind.newcomer()
    person.api.put(f"/v1/users/{friend.user['username']}/follow")
    fan.api.put(f"/v1/users/{person.user['username']}/follow")
    late = bodies()
    account_data({"Records": [queue_record(str(number), body) for number, body in enumerate(late)]}, None)
    assert following_in_chat(behind, person, friend)
    assert person.api.post("/v1/me/deletion", {"password": PASSWORD}).status == 204
    work_off()
    account_data({"Records": [queue_record("late", body) for body in late]}, None)
    assert not following_in_chat(behind, person, friend)
    assert not following_in_chat(behind, fan, person)


def test_a_picture_that_is_made_after_its_account_was_closed_is_left_nowhere(behind: RestApi) -> None:
    """It was sent a moment before; and what is erased later has looked for files already, when it is stored."""
    person = behind.register()
    key = send_file(person, picture())
    assert person.api.post("/v1/me/deletion", {"password": PASSWORD}).status == 204
    notify(key)
    assert keys(MEDIA_BUCKET, person) == []
    assert keys(UPLOAD_BUCKET, person) == []


def test_a_closed_account_keeps_no_address_in_any_table(behind: RestApi) -> None:
    person = behind.register()
    letters()  # a link to confirm the address is written down
    assert person.api.post("/v1/me/deletion", {"password": PASSWORD}).status == 204
    with behind.services.database.begin() as connection:
        held = {table.name: str(connection.execute(table.select()).all()) for table in metadata.tables.values()}
    assert [name for name, rows in held.items() if person.user["email"] in rows] == []


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


def test_an_account_is_deleted_also_while_its_sockets_cannot_be_closed(
    api: RestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks again is nobody any more: the answer must not be that it may be asked for again."""

    def away(*_: object) -> None:
        raise DependencyUnavailable

    person = api.newcomer()
    monkeypatch.setattr(SignedInSockets, "close_all", away)
    assert person.api.post("/v1/me/deletion", {"password": PASSWORD}).status == 204


def test_sign_ins_and_links_are_forgotten_when_their_time_is_over(behind: RestApi) -> None:
    """Also those of people who never come back."""
    now = datetime.now(UTC)
    people = {name: behind.register() for name in ("ended", "lapsed", "ended lately", "running")}
    letters()
    for name, changed in {
        "ended": {"ended_at": now - timedelta(days=31)},
        "lapsed": {"refreshed_at": now - timedelta(days=61)},
        "ended lately": {"ended_at": now - timedelta(days=29)},
    }.items():
        with behind.services.database.begin() as connection:
            own = sessions.update().where(sessions.c.user_id == people[name].user["id"])
            connection.execute(own.values(**changed))
    with behind.services.database.begin() as connection:
        long_ago = id_bound(int((now - timedelta(days=70)).timestamp() * 1000))
        connection.execute(refresh_tokens.delete())
        connection.execute(sessions.update().values(id=func.concat(long_ago, func.substr(sessions.c.id, 10))))
        connection.execute(mail_links.update().values(expires_at=now))
    assert account_data({"action": "forget_old"}, None) == {"sessions": 2}
    with behind.services.database.begin() as connection:
        left = set(connection.execute(select(sessions.c.user_id)).scalars())
        assert connection.execute(mail_links.select()).all() == []
    assert left == {people[name].user["id"] for name in ("ended lately", "running")}
    assert account_data({"action": "forget_old"}, None) == {"sessions": 0}


def test_words_that_reach_the_archive_after_their_author_has_gone_are_nobodys(behind: RestApi) -> None:
    person, friend = behind.register(), behind.newcomer()
    stream = friend.stream()
    assert person.api.post("/v1/me/deletion", {"password": PASSWORD}).status == 204
    say(behind, person, stream, "Late words")
    with behind.services.database.begin() as connection:
        (said,) = connection.execute(chat_messages.select()).all()
    assert (said.user_id, said.username) == ("", "deleted")


def test_without_a_password_only_a_fresh_sign_in_deletes_an_account(api: RestApi) -> None:
    stale, fresh, known = api.newcomer(), api.newcomer(), api.newcomer()
    with api.services.database.begin() as connection:
        of_known = users.c.id == known.user["id"]
        connection.execute(users.update().where(~of_known).values(password_hash=None))
        long_ago = datetime.now(UTC) - timedelta(minutes=11)
        of_stale = sessions.update().where(sessions.c.user_id == stale.user["id"])
        connection.execute(of_stale.values(created_at=long_ago))
    assert stale.api.post("/v1/me/deletion", {}).code == "reauthentication_required"
    assert fresh.api.post("/v1/me/deletion", {}).status == 204
    assert known.api.post("/v1/me/deletion", {}).code == "reauthentication_required", "who has a password sends it"


def test_the_only_admin_cannot_leave_the_site_to_nobody(api: RestApi) -> None:
    admin = api.newcomer(Role.ADMIN)
    assert admin.api.post("/v1/me/deletion", {"password": PASSWORD}).code == "last_admin"


def test_a_request_to_erase_an_account_that_was_not_closed_is_void(behind: RestApi) -> None:
    person = behind.newcomer()
    task = json.dumps({"kind": "erase", "user_id": person.user["id"]})
    assert account_data({"Records": [queue_record("m", task)]}, None)["batchItemFailures"] == []
    assert person.api.get("/v1/me").status == 200

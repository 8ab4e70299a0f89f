"""Moderation over HTTP: what is set and done there holds in the room, and the log tells of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest

from functions.chat_archive.handler import handler as chat_archive
from functions.chat_archive.wiring import wiring as archive_wiring
from headwater.adapters.chat_standings import ChatStandings
from headwater.adapters.chat_streams import ChatStreams
from headwater.adapters.room_rules import RoomRulesStore
from headwater.adapters.stream_controls import StreamControls
from headwater.domain.accounts import Role
from headwater.domain.chat import Chatter, Room, RoomRole
from headwater.domain.ids import StreamId, UserId, new_id
from headwater.domain.moderation import Standing
from tests.api_world import a_message
from tests.aws import ROOM_TABLE, STREAM_TABLE, queue_record, received
from tests.rest_api import Person, RestApi


@pytest.fixture
def archiving(api: RestApi) -> Iterator[RestApi]:
    archive_wiring.cache_clear()
    yield api
    if archive_wiring.cache_info().currsize:
        archive_wiring().database.close()
    archive_wiring.cache_clear()


def archive(api: RestApi) -> None:
    """What is on its way to the archive arrives."""
    bodies = received(api.services.settings.chat_archive_queue_url)
    records = [queue_record(f"m{number}", body) for number, body in enumerate(bodies)]
    assert chat_archive({"Records": records}, None) == {"batchItemFailures": []}


def room(stream: dict[str, Any]) -> Room:
    """As chat sees it."""
    found = ChatStreams(StreamControls(STREAM_TABLE), RoomRulesStore(ROOM_TABLE)).room(StreamId(stream["id"]))
    assert found is not None
    return found


def standing(api: RestApi, stream: dict[str, Any], person: Person) -> Standing:
    standings = ChatStandings(api.services.settings.cache_url, ROOM_TABLE)
    return standings.of(StreamId(stream["id"]), UserId(stream["owner"]["id"]), UserId(person.user["id"]))


def name(person: Person) -> str:
    return str(person.user["username"])


def test_settings_that_are_sent_change_and_the_others_stay(api: RestApi) -> None:
    owner = api.newcomer()
    stream = owner.stream()
    path = f"/v1/streams/{stream['id']}/chat/settings"
    usual = owner.api.get(path).json
    assert usual == {
        "max_length": 500, "slow_seconds": 0, "followers_only": False, "follow_age_minutes": 0, "account_age_minutes": 0,
        "emote_only": False, "unique": False, "review": "off", "blocked_terms": [],
    }  # fmt: skip
    terms = [{"term": "bad*", "action": "refuse"}, {"term": "maybe", "action": "hold"}]
    changed = owner.api.patch(
        path, {"slow_seconds": 10, "review": "links", "blocked_terms": [{"term": "bad*"}, terms[1]]}
    )
    assert changed.json == {**usual, "slow_seconds": 10, "review": "links", "blocked_terms": terms}
    assert owner.api.patch(path, {"unique": True}).json == {**changed.json, "unique": True}
    rules = room(stream).rules
    assert (rules.settings.slow_seconds, rules.settings.unique, rules.blocked_terms[0].term) == (10, True, "bad*")
    [told, _] = api.services.rooms.view(StreamId(stream["id"]), after_seq=None).events
    assert '"slow_seconds":10' in told.body and "bad" not in told.body


@pytest.mark.parametrize(
    "body",
    [
        {"slow_seconds": -1}, {"slow_seconds": 3601}, {"slow_seconds": "5"}, {"slow_seconds": True}, {"max_length": 100},
        {"follow_age_minutes": 129_601}, {"followers_only": "yes"}, {"review": "some"}, {"review": None}, {"unique": None},
        {"blocked_terms": [{"term": ""}]}, {"blocked_terms": [{"term": "x" * 65}]}, {"blocked_terms": "bad"},
        {"blocked_terms": [{"term": "x", "action": "shout"}]}, {"blocked_terms": [{"term": f"t{n}"} for n in range(201)]},
        {"blocked_terms": [{"word": "x"}]}, {"nothing": 1},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(api: RestApi, body: dict[str, Any]) -> None:
    owner = api.newcomer()
    answer = owner.api.patch(f"/v1/streams/{owner.stream()['id']}/chat/settings", body)
    assert (answer.status, answer.code) == (422, "invalid_input")


def test_a_ban_is_listed_logged_and_lifted(archiving: RestApi) -> None:
    api = archiving
    owner, troll, moderator = api.newcomer(), api.newcomer(), api.newcomer()
    stream = owner.stream()
    base = f"/v1/streams/{stream['id']}"
    assert owner.api.put(f"{base}/moderators/{name(moderator)}").status == 204
    bans = f"{base}/chat/bans"
    assert moderator.api.put(f"{bans}/{name(troll)}", {"reason": "=Spam()"}).status == 204
    assert standing(api, stream, troll).banned
    [listed] = owner.api.get(bans).json["items"]
    assert listed == owner.api.get(f"{bans}/{name(troll)}").json
    assert (listed["user"]["username"], listed["by"]["username"]) == (name(troll), name(moderator))
    assert (listed["reason"], listed["expires_at"]) == ("=Spam()", None)
    assert moderator.api.put(f"{bans}/{name(troll)}", {"seconds": 5}).code == "conflict"
    assert owner.api.delete(f"{bans}/{name(troll)}").status == 204
    assert not standing(api, stream, troll).banned
    assert owner.api.get(bans).json["items"] == []
    archive(api)
    log = owner.api.get(f"{base}/moderation-log").json["items"]
    assert [(each["action"], each["actor"]["username"]) for each in log] == [
        ("unban", name(owner)), ("ban", name(moderator)), ("moderator", name(owner)),
    ]  # fmt: skip
    assert (log[0]["undoes"], log[1]["undone_by"]) == (log[1]["id"], log[0]["id"])
    narrowed = moderator.api.get(f"{base}/moderation-log", actor=name(moderator), username=name(troll), action="ban")
    assert [each["id"] for each in narrowed.json["items"]] == [log[1]["id"]]
    assert owner.api.get(f"{base}/moderation-log", actor="nobody_at_all").json["items"] == []
    first = owner.api.get(f"{base}/moderation-log", limit=2).json
    assert owner.api.get(f"{base}/moderation-log", limit=2, cursor=first["next_cursor"]).json["items"] == log[2:]
    file = owner.api.get(f"{base}/moderation-log.csv")
    assert file.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert [row["id"] for row in rows] == [each["id"] for each in log]
    assert (rows[1]["reason"], rows[1]["user"]) == ("'=Spam()", name(troll)), "no formula for a spreadsheet"
    assert moderator.api.patch(f"{base}/chat/settings", {"slow_seconds": 5}).status == 200
    archive(api)
    newest = next(csv.DictReader(io.StringIO(owner.api.get(f"{base}/moderation-log.csv").text)))
    assert (newest["action"], newest["details"]) == ("settings", '{"slow_seconds":[0,5]}')


def test_bans_come_page_by_page_and_those_that_are_over_do_not(api: RestApi) -> None:
    owner = api.newcomer()
    stream = owner.stream()
    bans = f"/v1/streams/{stream['id']}/chat/bans"
    banned = [api.newcomer() for _ in range(5)]
    for person in banned:
        assert owner.api.put(f"{bans}/{name(person)}", {"seconds": 600}).status == 204
    gone = banned.pop()
    assert owner.api.delete(f"{bans}/{name(gone)}").status == 204
    found, cursor = [], None
    while True:
        page = owner.api.get(bans, limit=2, **({} if cursor is None else {"cursor": cursor})).json
        found += [each["user"]["username"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(found) == sorted(map(name, banned))
    assert owner.api.get(f"{bans}/{name(gone)}").status == 404
    assert owner.api.get(bans, cursor="nonsense").code == "invalid_input"


@pytest.mark.parametrize(
    "body", [{"seconds": 0}, {"seconds": 1_209_601}, {"seconds": 1.5}, {"reason": ""}, {"x": 1}, []]
)
def test_a_ban_that_makes_no_sense_is_refused(api: RestApi, body: Any) -> None:
    owner, other = api.newcomer(), api.newcomer()
    answer = owner.api.put(f"/v1/streams/{owner.stream()['id']}/chat/bans/{name(other)}", body)
    assert (answer.status, answer.code) == (422, "invalid_input")


def test_a_deleted_message_leaves_history_at_once_and_comes_back_when_restored(archiving: RestApi) -> None:
    api = archiving
    owner, author = api.newcomer(), api.newcomer()
    stream = owner.stream()
    base = f"/v1/streams/{stream['id']}"
    message_id = a_message(api, StreamId(stream["id"]), author)

    def history() -> list[str]:
        return [each["id"] for each in api.anonymous.get(f"{base}/chat/messages").json["items"]]

    assert history() == [message_id]
    assert owner.api.delete(f"{base}/chat/messages/{message_id}").status == 204
    assert history() == []
    assert owner.api.post(f"{base}/chat/messages/{message_id}/restore").status == 204
    assert history() == [message_id]
    assert owner.api.post(f"{base}/chat/messages/{new_id()}/restore").code == "not_found"
    archive(api)
    restored, deleted = owner.api.get(f"{base}/moderation-log").json["items"]
    assert (deleted["user"]["username"], deleted["message_id"]) == (name(author), message_id)
    assert (restored["undoes"], deleted["undone_by"]) == (deleted["id"], restored["id"])


def test_held_messages_wait_are_approved_and_rejected(archiving: RestApi) -> None:
    api = archiving
    owner, author = api.newcomer(), api.newcomer()
    stream = owner.stream()
    base, stream_id = f"/v1/streams/{stream['id']}", StreamId(stream["id"])
    first, second = a_message(api, stream_id, author), a_message(api, stream_id, author)
    held = owner.api.get(f"{base}/chat/held").json["items"]
    assert [each["id"] for each in held] == [first, second]
    assert (held[0]["text"], held[0]["user"]["username"]) == ("Hello", name(author))
    assert owner.api.post(f"{base}/chat/held/{first}/approve").status == 204
    assert owner.api.post(f"{base}/chat/held/{first}/reject").code == "conflict"
    assert owner.api.post(f"{base}/chat/held/{second}/reject").status == 204
    assert owner.api.get(f"{base}/chat/held").json["items"] == []
    assert owner.api.post(f"{base}/chat/held/{new_id()}/approve").code == "not_found"
    archive(api)
    actions = [each["action"] for each in owner.api.get(f"{base}/moderation-log").json["items"]]
    assert actions == ["reject", "approve"]


def test_vips_are_named_by_the_owner_and_known_in_the_room(api: RestApi) -> None:
    owner, friend, moderator = api.newcomer(), api.newcomer(), api.newcomer()
    stream = owner.stream()
    path = f"/v1/streams/{stream['id']}/vips"
    owner.api.put(f"/v1/streams/{stream['id']}/moderators/{name(moderator)}")
    chatter = Chatter(UserId(friend.user["id"]), name(friend))
    assert moderator.api.put(f"{path}/{name(friend)}").code == "forbidden"
    assert owner.api.put(f"{path}/{name(friend)}").status == 204
    assert room(stream).role_of(chatter) is RoomRole.VIP
    assert [each["username"] for each in friend.api.get(path).json["items"]] == [name(friend)]
    assert owner.api.put(f"{path}/{name(owner)}").code == "conflict"
    assert owner.api.delete(f"{path}/{name(friend)}").status == 204
    assert room(stream).role_of(chatter) is RoomRole.VIEWER
    log = owner.api.get(f"/v1/streams/{stream['id']}/moderation-log").json["items"]
    assert [each["action"] for each in log] == ["unvip", "vip", "moderator"]


def test_nobody_bans_who_is_above_them_and_everybody_else_is_refused(api: RestApi) -> None:
    owner, moderator, other, vip, banned = (api.newcomer() for _ in range(5))
    site = api.newcomer(Role.MODERATOR)
    stream = owner.stream()
    other.stream()
    base = f"/v1/streams/{stream['id']}"
    owner.api.put(f"{base}/moderators/{name(moderator)}")
    owner.api.put(f"{base}/vips/{name(vip)}")
    owner.api.put(f"{base}/chat/bans/{name(banned)}", {})
    people = {"owner": owner, "moderator": moderator, "site": site, "other": other, "vip": vip, "banned": banned}
    wanted = {
        **{(who, whom): 403 for who in ("other", "vip", "banned") for whom in people},
        **{(who, whom): 204 for who in ("owner", "moderator", "site") for whom in ("other", "vip", "banned")},
        **{(who, whom): 403 for who in ("owner", "moderator", "site") for whom in ("owner", "site")},
        ("owner", "moderator"): 204, ("site", "moderator"): 204, ("moderator", "moderator"): 403,
    }  # fmt: skip
    order = sorted(wanted, key=lambda pair: (pair[1] == "moderator", pair[0] != "moderator"))
    answered = {
        (who, whom): people[who].api.put(f"{base}/chat/bans/{name(people[whom])}", {}).status for who, whom in order
    }
    assert answered == wanted
    assert moderator.api.get(f"{base}/chat/bans").code == "forbidden", "who is banned does not moderate"

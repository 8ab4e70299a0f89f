"""Everybody against every call about a room's moderation, in one table: what the socket refuses, HTTP refuses, too."""

from __future__ import annotations

from typing import Any

from headwater.domain.accounts import Role
from headwater.domain.ids import StreamId
from tests.api_gateway import ApiClient
from tests.api_world import a_message
from tests.rest_api import Person, RestApi

PEOPLE = ("anonymous", "user", "vip", "moderator", "owner", "site", "banned", "other_owner")
REFUSED = dict.fromkeys(PEOPLE, "forbidden") | {"anonymous": "unauthenticated"}
BY_MODERATORS = REFUSED | dict.fromkeys(("moderator", "owner", "site"), "done")
BY_THE_OWNER = REFUSED | {"owner": "done"}

# What each is answered to the call, about somebody who only watches, or about what they said.
CALLS: dict[tuple[str, str], tuple[dict[str, Any] | None, dict[str, str]]] = {
    ("GET", "chat/settings"): (None, BY_MODERATORS),
    ("PATCH", "chat/settings"): ({"slow_seconds": 30, "unique": True, "review": "links"}, BY_MODERATORS),
    ("GET", "chat/bans"): (None, BY_MODERATORS),
    ("GET", "chat/bans/{banned}"): (None, BY_MODERATORS),
    ("PUT", "chat/bans/{target}"): ({"reason": "Spam"}, BY_MODERATORS),
    ("DELETE", "chat/bans/{target}"): (None, BY_MODERATORS),
    ("DELETE", "chat/messages/{message}"): ({"reason": "Spam"}, BY_MODERATORS),
    ("POST", "chat/messages/{message}/restore"): (None, BY_MODERATORS),
    ("GET", "chat/held"): (None, BY_MODERATORS),
    ("POST", "chat/held/{message}/approve"): (None, BY_MODERATORS),
    ("POST", "chat/held/{message}/reject"): (None, BY_MODERATORS),
    ("GET", "moderation-log"): (None, BY_MODERATORS),
    ("GET", "moderation-log.csv"): (None, BY_MODERATORS),
    ("GET", "moderators"): (None, REFUSED | {"moderator": "done", "owner": "done"}),
    ("PUT", "moderators/{target}"): (None, BY_THE_OWNER),
    ("DELETE", "moderators/{target}"): (None, BY_THE_OWNER),
    ("GET", "vips"): (None, REFUSED | {"vip": "done", "owner": "done"}),
    ("PUT", "vips/{target}"): (None, BY_THE_OWNER),
    ("DELETE", "vips/{target}"): (None, BY_THE_OWNER),
}


class Crowd:
    """One of everybody, and `target`, all about one stream of the owner's."""

    def __init__(self, api: RestApi) -> None:
        self.api = api
        self.people: dict[str, Person] = {
            name: api.newcomer(*((Role.MODERATOR,) if name == "site" else ()))
            for name in (*PEOPLE, "target")
            if name != "anonymous"
        }
        self.stream = self.people["owner"].stream()
        self.people["other_owner"].stream()
        for path, name in (("moderators", "moderator"), ("vips", "vip"), ("chat/bans", "banned")):
            put = self.people["owner"].api.put(self.path(f"{path}/{self.name(name)}"), {} if name == "banned" else None)
            assert put.status == 204, put.text

    def name(self, who: str) -> str:
        return str(self.people[who].user["username"])

    def path(self, place: str) -> str:
        return f"/v1/streams/{self.stream['id']}/{place}"

    def client(self, who: str) -> ApiClient:
        return self.api.anonymous if who == "anonymous" else self.people[who].api

    def newest_seq(self) -> int:
        return self.api.services.rooms.view(StreamId(self.stream["id"]), after_seq=None, history=1).seq

    def call(self, who: str, method: str, place: str, body: dict[str, Any] | None) -> str:
        message = a_message(self.api, StreamId(self.stream["id"]), self.people["target"])
        named = place.format(banned=self.name("banned"), target=self.name("target"), message=message)
        before = self.newest_seq()
        answer = self.client(who).call(method, self.path(named), body)
        if answer.status < 300:
            return "done"
        assert self.newest_seq() == before, f"{who} was refused, and the room was told nevertheless"
        return str(answer.code)


def test_everybody_and_every_call(api: RestApi) -> None:
    crowd = Crowd(api)
    for (method, place), (body, wanted) in CALLS.items():
        answered = {who: crowd.call(who, method, place, body) for who in PEOPLE}
        assert answered == wanted, f"{method} {place}"


def test_who_may_not_set_a_room_changes_nothing_of_it(api: RestApi) -> None:
    crowd = Crowd(api)
    settings = crowd.path("chat/settings")
    usual = crowd.people["owner"].api.get(settings).json
    for who in (name for name, answer in BY_MODERATORS.items() if answer != "done"):
        for change in (
            {"slow_seconds": 30}, {"followers_only": True, "follow_age_minutes": 5}, {"account_age_minutes": 5},
            {"emote_only": True}, {"unique": True}, {"review": "all"}, {"blocked_terms": [{"term": "word"}]}, {},
        ):  # fmt: skip
            assert crowd.client(who).patch(settings, change).code == REFUSED[who]
    assert crowd.people["owner"].api.get(settings).json == usual

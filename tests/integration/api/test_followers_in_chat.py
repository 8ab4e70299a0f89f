"""What chat knows of who follows whom, told through a queue."""

from __future__ import annotations

from functions.account_data.handler import handler as account_data
from headwater.adapters.chat_standings import ChatStandings
from headwater.domain.ids import StreamId, UserId, new_id
from tests.account_functions import bodies, work_off
from tests.aws import ROOM_TABLE, queue_record
from tests.rest_api import PASSWORD, Person, RestApi


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

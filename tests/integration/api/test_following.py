"""Following: once, however often and at once it is said; lists, counts, and accounts that go meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, create_engine

from functions.account_data.mirror_following import mirror_following
from functions.api.use_cases import following
from headwater.adapters.accounts import Accounts
from headwater.adapters.chat_standings import ChatStandings
from headwater.adapters.follower_mirror import FollowerMirror
from headwater.adapters.follows import Follows
from headwater.adapters.tables import users
from headwater.contracts import AccountTask
from headwater.domain.ids import StreamId, UserId, new_id
from headwater.errors import NotFound
from tests.aws import ROOM_TABLE
from tests.rest_api import Person, RestApi


class Untold:
    """In the place of the queue by which chat learns who follows whom."""

    def send(self, message: AccountTask) -> None:
        return


def followers_of(api: RestApi, person: Person) -> list[str]:
    items = api.anonymous.get(f"/v1/users/{person.user['username']}/followers").json["items"]
    return [item["user"]["username"] for item in items]


def follow(who: Person, whom: Person, method: str = "PUT") -> int:
    return who.api.call(method, f"/v1/users/{whom.user['username']}/follow").status


def count(api: RestApi, person: Person) -> int:
    found: int = api.anonymous.get(f"/v1/users/{person.user['username']}").json["follower_count"]
    return found


def waiting(engine: Engine) -> bool:
    """Whether somebody waits for a lock."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'").first()
        return found is not None


def test_to_follow_and_to_unfollow_may_be_said_any_number_of_times(api: RestApi) -> None:
    ana, ben = api.newcomer(), api.newcomer()
    assert [follow(ben, ana) for _ in range(2)] == [204, 204]
    assert (followers_of(api, ana), count(api, ana)) == ([ben.user["username"]], 1)
    assert ben.api.get(f"/v1/me/following/{ana.user['username']}").json == {"following": True}
    assert ana.api.get(f"/v1/me/following/{ben.user['username']}").json == {"following": False}
    assert [follow(ben, ana, "DELETE") for _ in range(2)] == [204, 204]
    assert (followers_of(api, ana), count(api, ana)) == ([], 0)


def test_nobody_follows_themselves_or_nobody(api: RestApi) -> None:
    ana = api.newcomer()
    assert ana.api.put(f"/v1/users/{ana.user['username']}/follow").code == "conflict"
    assert ana.api.put("/v1/users/nobody_here/follow").code == "not_found"
    assert ana.api.delete("/v1/users/nobody_here/follow").code == "not_found"


def test_lists_begin_with_the_latest_and_go_on_where_they_ended(api: RestApi) -> None:
    ana, others = api.newcomer(), [api.newcomer() for _ in range(3)]
    for other in others:
        assert follow(ana, other) == 204
    first = ana.api.get("/v1/me/following", limit=2).json
    assert follow(ana, others[2], "DELETE") == 204  # what changes meanwhile neither skips nor repeats
    second = ana.api.get("/v1/me/following", limit=2, cursor=first["next_cursor"]).json
    names = [item["user"]["username"] for item in first["items"] + second["items"]]
    assert names == [other.user["username"] for other in reversed(others)]
    assert second["next_cursor"] is None
    assert ana.api.get("/v1/me/following", cursor="no-cursor").code == "invalid_input"


def test_an_account_follows_a_limited_number_of_others(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "MOST_FOLLOWED", 1)
    ana, ben, cem = api.newcomer(), api.newcomer(), api.newcomer()
    assert follow(ana, ben) == 204
    assert ana.api.put(f"/v1/users/{cem.user['username']}/follow").code == "limit_reached"
    assert follow(ana, ben) == 204, "whom one follows already, one may go on to follow"


def test_two_who_follow_each_other_at_once_wait_for_each_other_only_one_way(api: RestApi) -> None:
    ana, ben = api.newcomer(), api.newcomer()
    engine = create_engine(api.services.database.engine.url, pool_size=2)
    failures: list[BaseException] = []

    def repeatedly(who: Person, whom: Person) -> None:
        try:
            for _ in range(20):
                with engine.begin() as connection:
                    accounts, follows = Accounts(connection), Follows(connection)
                    following.follow(accounts, follows, Untold(), UserId(who.user["id"]), whom.user["username"])
                with engine.begin() as connection:
                    accounts, follows = Accounts(connection), Follows(connection)
                    following.unfollow(accounts, follows, Untold(), UserId(who.user["id"]), whom.user["username"])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=repeatedly, args=pair) for pair in ((ana, ben), (ben, ana))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    assert failures == []
    assert (count(api, ana), count(api, ben)) == (0, 0)


@pytest.mark.parametrize("last", ["follow", "unfollow"])
def test_what_chat_reads_of_followers_is_in_the_end_what_the_database_says(api: RestApi, last: str) -> None:
    """Whoever changes their mind from two devices at once, while every change is copied by whoever comes first."""
    ana, ben = api.newcomer(), api.newcomer()
    followee, follower = UserId(ana.user["id"]), UserId(ben.user["id"])
    engine = create_engine(api.services.database.engine.url, pool_size=8)
    mirror = FollowerMirror(ROOM_TABLE)

    @contextmanager
    def unit_of_work() -> Iterator[Follows]:
        with engine.begin() as connection:
            yield Follows(connection)

    with ThreadPoolExecutor(4) as queue, ThreadPoolExecutor(2) as devices:
        copies: list[Future[None]] = []

        class Tasks:
            def send(self, message: AccountTask) -> None:
                assert message.followee_id is not None
                for _ in range(2):  # queues deliver twice
                    copies.append(
                        queue.submit(mirror_following, unit_of_work, mirror, message.user_id, message.followee_id)
                    )

        def change(call: Callable[..., None]) -> None:
            with engine.begin() as connection:
                call(Accounts(connection), Follows(connection), Tasks(), follower, ana.user["username"])

        changes = [following.follow, following.unfollow] * 10
        list(devices.map(change, changes))
        change(following.follow if last == "follow" else following.unfollow)
        for copy in copies:
            copy.result()
    with engine.connect() as connection:
        since = Follows(connection).since(follower, followee)
    engine.dispose()
    standing = ChatStandings(api.services.settings.cache_url, ROOM_TABLE).of(StreamId(new_id()), followee, follower)
    assert (since is not None) is (last == "follow")
    assert standing.follows_since_ms == (None if since is None else round(since.timestamp() * 1000))


def test_whoever_is_deleted_while_being_followed_is_not_there(api: RestApi) -> None:
    ana, ben = api.newcomer(), api.newcomer()
    engine = create_engine(api.services.database.engine.url, pool_size=3)
    outcome: list[object] = []

    def follows_ana() -> None:
        try:
            with engine.begin() as connection:
                following.follow(
                    Accounts(connection), Follows(connection), Untold(), UserId(ben.user["id"]), ana.user["username"]
                )
            outcome.append("followed")
        except NotFound:
            outcome.append("not found")

    with engine.begin() as connection:
        connection.execute(users.delete().where(users.c.id == ana.user["id"]))
        thread = threading.Thread(target=follows_ana)
        thread.start()  # sees her still, and then waits for what becomes of her
        while not waiting(engine):
            pass
    thread.join()
    engine.dispose()
    assert outcome == ["not found"]

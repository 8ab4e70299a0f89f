"""Stage 7 · follow and unfollow: each may be said any number of times, and at the same time as an account goes."""

from __future__ import annotations

from typing import Protocol

from headwater.contracts import AccountTask, AccountTaskKind
from headwater.domain.accounts import User
from headwater.domain.ids import UserId
from headwater.errors import Conflict, LimitReached, NotFound

MOST_FOLLOWED = 2000  # by one account: who follows more than that follows nobody


class FollowStore(Protocol):
    def hold_both(self, follower_id: UserId, followee_id: UserId) -> bool: ...
    def count(self, follower_id: UserId) -> int: ...
    def is_following(self, follower_id: UserId, followee_id: UserId) -> bool: ...
    def add(self, follower_id: UserId, followee_id: UserId) -> None: ...
    def remove(self, follower_id: UserId, followee_id: UserId) -> None: ...


class AccountStore(Protocol):
    def by_username(self, username: str) -> User | None: ...


class Tasks(Protocol):
    def send(self, message: AccountTask) -> None: ...


def follow(accounts: AccountStore, follows: FollowStore, tasks: Tasks, follower: UserId, username: str) -> None:
    """Raises NotFound, Conflict for oneself, LimitReached."""
    followee = _named(accounts, username)
    if followee == follower:
        raise Conflict("You cannot follow yourself.")
    if not follows.hold_both(follower, followee):
        raise NotFound
    if follows.is_following(follower, followee):
        return
    if follows.count(follower) >= MOST_FOLLOWED:
        raise LimitReached(f"An account follows at most {MOST_FOLLOWED} others.")
    follows.add(follower, followee)
    _tell(tasks, follower, followee)


def unfollow(accounts: AccountStore, follows: FollowStore, tasks: Tasks, follower: UserId, username: str) -> None:
    """Raises NotFound when there is no such user."""
    followee = _named(accounts, username)
    if followee != follower and follows.hold_both(follower, followee):
        follows.remove(follower, followee)
        _tell(tasks, follower, followee)


def _tell(tasks: Tasks, follower: UserId, followee: UserId) -> None:
    """While both are held: whoever copies it for chat waits for what becomes of it."""
    tasks.send(AccountTask(kind=AccountTaskKind.MIRROR_FOLLOWING, user_id=follower, followee_id=followee))


def _named(accounts: AccountStore, username: str) -> UserId:
    found = accounts.by_username(username)
    if found is None:
        raise NotFound
    return found.user_id

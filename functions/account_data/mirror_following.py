"""Stage 7 · whether somebody follows somebody, copied to where chat can read it.

The message that asks for it is sent while the two are locked, before anything is committed, and here the same lock is taken:
so what is read is what came of it, whoever changes it again sends another message, and the copies follow each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from headwater.domain.ids import UserId


class Follows(Protocol):
    def hold_both(self, follower_id: UserId, followee_id: UserId) -> bool: ...
    def since(self, follower_id: UserId, followee_id: UserId) -> datetime | None: ...


class Mirror(Protocol):
    def put(self, followee: UserId, follower: UserId, since_ms: int) -> None: ...
    def remove(self, followees: Sequence[UserId], follower: UserId) -> None: ...


def mirror_following(
    unit_of_work: Callable[[], AbstractContextManager[Follows]], mirror: Mirror, follower: UserId, followee: UserId
) -> None:
    """Raises DependencyUnavailable; then call it again."""
    with unit_of_work() as follows:
        since = follows.since(follower, followee) if follows.hold_both(follower, followee) else None
        if since is None:
            mirror.remove([followee], follower)
        else:
            mirror.put(followee, follower, round(since.timestamp() * 1000))

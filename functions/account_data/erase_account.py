"""Stage 7 · what is left of an account that its owner has deleted: removed bit by bit, each bit in a short transaction.

Every step may be taken again, and the account itself goes last: whoever finds it gone has nothing more to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from headwater.domain.ids import UserId
from headwater.media.object_keys import avatar_prefix
from headwater.observability import logger


class Records(Protocol):
    def is_closed(self, user_id: UserId) -> bool | None: ...
    def disown_messages(self, user_id: UserId) -> int: ...
    def followed_by(self, user_id: UserId) -> Sequence[UserId]: ...
    def forget_followers(self, user_id: UserId) -> int: ...
    def forget_followed(self, user_id: UserId) -> int: ...
    def erase(self, user_id: UserId) -> None: ...


class Work(Protocol):
    @property
    def records(self) -> Records: ...


class Bucket(Protocol):
    def list(self, prefix: str) -> Iterator[str]: ...
    def delete_many(self, keys: Iterable[str]) -> int: ...


class Mirror(Protocol):
    def remove(self, followees: Sequence[UserId], follower: UserId) -> None: ...
    def remove_all(self, followee: UserId) -> None: ...


class EraseAccount:
    def __init__(
        self,
        unit_of_work: Callable[[], AbstractContextManager[Work]],
        uploads: Bucket,
        media: Bucket,
        mirror: Mirror,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._uploads = uploads
        self._media = media
        self._mirror = mirror

    def __call__(self, user_id: UserId) -> None:
        """Raises DependencyUnavailable; then call it again."""
        with self._unit_of_work() as work:
            closed = work.records.is_closed(user_id)
            followed = work.records.followed_by(user_id)
        if closed is not True:
            logger().info(
                "nothing to erase", extra={"user_id": user_id, "account": "open" if closed is False else "gone"}
            )
            return
        self._media.delete_many(self._media.list(avatar_prefix(user_id)))
        for folder in ("avatars", "exports"):
            self._uploads.delete_many(self._uploads.list(f"{folder}/{user_id}/"))
        while self._some(lambda records: records.disown_messages(user_id)):
            pass
        # Before the rows of which these are copies: cut off in between, it can be done again.
        self._mirror.remove_all(user_id)
        self._mirror.remove(followed, user_id)
        while self._some(lambda records: records.forget_followers(user_id)):
            pass
        while self._some(lambda records: records.forget_followed(user_id)):
            pass
        with self._unit_of_work() as work:
            work.records.erase(user_id)

    def _some(self, step: Callable[[Records], int]) -> int:
        with self._unit_of_work() as work:
            return step(work.records)

"""Stage 7 · the files of an avatar that its owner has taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from headwater.domain.ids import UserId
from headwater.media.object_keys import avatar_prefix


class Accounts(Protocol):
    def avatar_url(self, user_id: UserId) -> str | None: ...


class Bucket(Protocol):
    def list(self, prefix: str) -> Iterator[str]: ...
    def delete_many(self, keys: Iterable[str]) -> int: ...


def remove_avatar_files(
    unit_of_work: Callable[[], AbstractContextManager[Accounts]], media: Bucket, user_id: UserId
) -> None:
    """All but those of an avatar that was made meanwhile. Raises DependencyUnavailable; then call it again."""
    keys = list(media.list(avatar_prefix(user_id)))  # before the look: what is made later is not among them
    with unit_of_work() as accounts:
        shown = accounts.avatar_url(user_id) or ""
    media.delete_many(key for key in keys if key.rpartition("/")[0] not in shown)

"""Stage 7 · what was uploaded → an avatar: rendered, stored where viewers reach it, shown, and the original deleted.

May be done twice, and for uploads that no longer count: the last upload that was permitted decides. New files are written
before the database names them, and old ones removed afterwards, so that no address is ever shown that has nothing behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from functions.picture_maker.render_picture import UnusablePicture
from headwater.domain.avatars import SHOWN_SIZE, SIZES, upload_of
from headwater.domain.ids import UserId
from headwater.media.object_keys import AVATAR, WEBP_TYPE, avatar, avatar_prefix
from headwater.observability import count, logger


class AvatarStore(Protocol):
    def hold(self, user_id: UserId, upload_id: str) -> bool: ...
    def show(self, user_id: UserId, url: str) -> None: ...
    def fail(self, user_id: UserId, upload_id: str, problem: str) -> None: ...


class Bucket(Protocol):
    def get(self, key: str) -> bytes | None: ...
    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> None: ...
    def list(self, prefix: str) -> Iterator[str]: ...
    def delete_many(self, keys: Iterable[str]) -> int: ...


class MakeAvatar:
    def __init__(
        self,
        uploads: Bucket,
        media: Bucket,
        unit_of_work: Callable[[], AbstractContextManager[AvatarStore]],
        render: Callable[[bytes, Sequence[int]], Mapping[int, bytes]],
        cdn_url: str,
    ) -> None:
        self._uploads = uploads
        self._media = media
        self._unit_of_work = unit_of_work
        self._render = render
        self._cdn_url = cdn_url.rstrip("/")

    def __call__(self, upload_key: str) -> None:
        """Raises DependencyUnavailable; then call it again."""
        named = upload_of(upload_key)
        body = self._uploads.get(upload_key)
        if named is None or body is None:  # not an avatar's; or the second time
            return
        user_id, upload_id = named
        try:
            self._store(user_id, upload_id, self._render(body, SIZES))
        except UnusablePicture as problem:
            logger().info("picture not usable", extra={"cause": repr(problem.__cause__)})
            count("AvatarsUnusable")
            with self._unit_of_work() as avatars:
                avatars.fail(user_id, upload_id, str(problem))
        self._uploads.delete_many([upload_key])

    def _store(self, user_id: UserId, upload_id: str, rendered: Mapping[int, bytes]) -> None:
        for size, body in rendered.items():
            self._media.put(avatar(user_id, upload_id, size), body, WEBP_TYPE, AVATAR)
        with self._unit_of_work() as avatars:
            counts = avatars.hold(user_id, upload_id)
            if counts:
                avatars.show(user_id, f"{self._cdn_url}/{avatar(user_id, upload_id, SHOWN_SIZE)}")
        own = f"{avatar_prefix(user_id)}{upload_id}/"
        # The upload that counts removes what was there before; one that no longer does removes itself.
        self._media.delete_many(
            key for key in self._media.list(avatar_prefix(user_id)) if key.startswith(own) != counts
        )

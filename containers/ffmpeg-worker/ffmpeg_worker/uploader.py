"""Stages 4–5 · puts segments into the store, several at a time, for as long as it is worth trying.

Media lives in memory until it is stored, never on a disk: a full disk cannot leave half a segment behind.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from headwater.errors import DependencyUnavailable, LeaseLost, ObjectChanged
from headwater.observability import logger

UPLOADS_AT_ONCE = 8
ATTEMPT_SECONDS = 4.0  # the store retries inside this; then we look whether it is still worth it


class StoredVersion(Protocol):
    @property
    def etag(self) -> str: ...


class MediaStore(Protocol):
    def put(
        self, key: str, body: bytes, content_type: str, cache_control: str, *, deadline_seconds: float = ...
    ) -> None: ...
    def put_if_match(
        self,
        key: str,
        body: bytes,
        content_type: str,
        cache_control: str,
        etag: str | None,
        *,
        deadline_seconds: float = ...,
    ) -> str: ...
    def get(self, key: str, *, deadline_seconds: float = ...) -> bytes | None: ...
    def head(self, key: str, *, deadline_seconds: float = ...) -> StoredVersion | None: ...


class Authority(Protocol):
    """Says whether this worker may still write."""

    @property
    def may_write(self) -> bool: ...
    def check(self) -> None: ...
    def give_up(self, reason: str) -> None: ...


@dataclass(slots=True, eq=False)
class Upload:
    key: str
    body: bytes
    content_type: str
    cache_control: str
    replaces: bool = False  # whatever is there; else nothing that was not looked at before
    begun_at: float = field(default_factory=time.monotonic)
    ended_at: float | None = None
    stored: bool = False
    abandoned: bool = False


class Uploader:
    def __init__(self, store: MediaStore, authority: Authority) -> None:
        self._store = store
        self._authority = authority
        self._pool = ThreadPoolExecutor(UPLOADS_AT_ONCE, thread_name_prefix="upload")
        self._changed = threading.Condition()
        self._pending_bytes = 0

    @property
    def pending_bytes(self) -> int:
        return self._pending_bytes

    def start(self, upload: Upload) -> Upload:
        with self._changed:
            self._pending_bytes += len(upload.body)
        self._pool.submit(self._put, upload)
        return upload

    def abandon(self, uploads: list[Upload]) -> None:
        """It takes too long: those of `uploads` that are not stored by now shall not be, as far as that can be helped."""
        with self._changed:
            for upload in uploads:
                upload.abandoned = upload.abandoned or upload.ended_at is None
            self._changed.notify_all()

    def wait(self, uploads: list[Upload], seconds: float) -> bool:
        """Whether all have ended, one way or the other, within `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: all(u.ended_at is not None or u.abandoned for u in uploads), seconds)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _put(self, upload: Upload) -> None:
        stored = False
        try:
            while not (stored or upload.abandoned):
                self._authority.check()
                try:
                    self._write(upload)
                    stored = True
                except DependencyUnavailable:
                    time.sleep(0.1)  # the store refused for good what may be a matter of a moment
        except LeaseLost:
            pass
        except Exception:
            logger().exception("upload failed")
        finally:
            with self._changed:
                upload.stored = stored and not upload.abandoned
                upload.ended_at = time.monotonic()
                self._pending_bytes -= len(upload.body)
                upload.body = b""
                self._changed.notify_all()

    def _write(self, upload: Upload) -> None:
        """A worker that lost the lease may still have a write on its way, under a name that its successor uses, too. So
        nobody writes over what was not there when they proved their lease last. Raises DependencyUnavailable, LeaseLost."""
        what = upload.key, upload.body, upload.content_type, upload.cache_control
        if upload.replaces:
            self._store.put(*what, deadline_seconds=ATTEMPT_SECONDS)
            return
        etag: str | None = None
        while True:
            try:
                self._store.put_if_match(*what, etag, deadline_seconds=ATTEMPT_SECONDS)
            except ObjectChanged:
                found = self._store.head(upload.key, deadline_seconds=ATTEMPT_SECONDS)
                if found and self._store.get(upload.key, deadline_seconds=ATTEMPT_SECONDS) == upload.body:
                    return  # by an attempt of ours whose answer was lost
                self._authority.check()
                etag = found.etag if found else None
            else:
                return

"""Stage 5 · one bucket of S3: objects written, compared, listed and removed.

botocore's own retries are off: how long a segment may take is decided by its caller, so every call has a deadline, and
retries inside it wait with full jitter. No attempt begins after the deadline; one that is under way may outlast it by the
time-outs below. Methods raise DependencyUnavailable when S3 did not do it by then, or refused it for good.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from headwater.errors import DependencyUnavailable, ObjectChanged

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_TIMEOUT_SECONDS = 1
READ_TIMEOUT_SECONDS = 3  # without a byte; a large upload over a slow line may take longer as a whole
DEADLINE_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
CONNECTIONS = 16  # threads of one process that may be talking to S3 at the same time
PAGE = 1000  # the most keys that ListObjectsV2 answers with and DeleteObjects takes

_TRANSIENT_CODES = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "InternalError"})
_GONE = frozenset({"NoSuchKey", "404", "NotFound"})
_PRECONDITION_FAILED = frozenset({"PreconditionFailed", "412"})

T = TypeVar("T")


class _Absent(Exception):
    """S3 has no such object."""


class _PreconditionFailed(Exception):
    """S3 holds another version."""


class _PartlyDone(Exception):
    """Some of a batch was refused; all of it can be asked for again."""


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of an object: its entity tag, quotes included, and the metadata that its writer gave it."""

    etag: str
    metadata: Mapping[str, str]


class Bucket:
    """One bucket. Safe to share among threads; the client is made at first use."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self._making = threading.Lock()
        self._made: S3Client | None = None

    def put(
        self,
        key: str,
        body: bytes,
        content_type: str,
        cache_control: str,
        *,
        metadata: Mapping[str, str] | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        """Write the object, whatever is there. Returns when it is durable."""
        headers = _headers(content_type, cache_control, metadata)
        self._call(lambda: self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, **headers), deadline_seconds)

    def put_if_match(
        self,
        key: str,
        body: bytes,
        content_type: str,
        cache_control: str,
        etag: str | None,
        *,
        metadata: Mapping[str, str] | None = None,
        expires_at: datetime | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> str:
        """Write the object if its version is still `etag`, or if there is none and `etag` is None; the new version's tag.

        `expires_at` is for caches, in whole seconds; a `max-age` in `cache_control` would overrule it. Raises ObjectChanged
        when somebody else wrote or removed the object. A write of ours whose answer was lost is recognised.
        """
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        headers = _headers(content_type, cache_control, metadata)
        if expires_at is not None:
            headers["Expires"] = expires_at
        attempts = 0

        def write() -> str:
            nonlocal attempts
            attempts += 1
            return self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, **headers, **condition)["ETag"]

        try:
            return self._call(write, deadline_seconds)
        except (_PreconditionFailed, _Absent):
            written = self._if_ours(key, body, metadata or {}, deadline_seconds) if attempts > 1 else None
            if written is None:
                raise ObjectChanged from None
            return written

    def get(self, key: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> bytes | None:
        """The object's bytes, or None when there is no such object."""

        def read() -> bytes:
            return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()

        return self._or_none(read, deadline_seconds)

    def head(self, key: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> ObjectVersion | None:
        """The object's current version, or None when there is no such object."""

        def look() -> ObjectVersion:
            answer = self._s3.head_object(Bucket=self._bucket, Key=key)
            return ObjectVersion(answer["ETag"], answer["Metadata"])

        return self._or_none(look, deadline_seconds)

    def list(self, prefix: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> Iterator[str]:
        """Every key under `prefix`, in order, fetched page by page; the deadline is one page's."""
        after = ""
        while page := self._call(lambda: self._keys_after(prefix, after), deadline_seconds):  # noqa: B023 - called at once
            yield from page
            after = page[-1]

    def _keys_after(self, prefix: str, after: str) -> Sequence[str]:
        page = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=prefix, StartAfter=after, MaxKeys=PAGE)
        return [entry["Key"] for entry in page.get("Contents", [])]

    def delete_if_match(self, key: str, etag: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> bool:
        """Remove the object if its version is still `etag`. False when it is another one; True when it is gone."""
        try:
            self._or_none(lambda: self._s3.delete_object(Bucket=self._bucket, Key=key, IfMatch=etag), deadline_seconds)
        except _PreconditionFailed:
            return False
        return True

    def delete_many(self, keys: Iterable[str], *, deadline_seconds: float = DEADLINE_SECONDS) -> int:
        """Remove objects, a page at a time; how many. Those that are not there count too. The deadline is one call's."""
        remaining = iter(keys)
        removed = 0
        while batch := tuple(itertools.islice(remaining, PAGE)):
            self._call(lambda: self._delete(batch), deadline_seconds)
            removed += len(batch)
        return removed

    def _delete(self, keys: Sequence[str]) -> None:
        answer = self._s3.delete_objects(
            Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
        )
        if answer.get("Errors"):  # the call as a whole is a 200 even then
            raise _PartlyDone

    def _if_ours(self, key: str, body: bytes, metadata: Mapping[str, str], deadline_seconds: float) -> str | None:
        def read() -> str | None:
            answer = self._s3.get_object(Bucket=self._bucket, Key=key)
            same = answer["Body"].read() == body and answer["Metadata"] == dict(metadata)
            return answer["ETag"] if same else None

        return self._or_none(read, deadline_seconds)

    def _or_none(self, call: Callable[[], T], deadline_seconds: float) -> T | None:
        try:
            return self._call(call, deadline_seconds)
        except _Absent:
            return None

    def _call(self, call: Callable[[], T], deadline_seconds: float) -> T:
        deadline = time.monotonic() + deadline_seconds
        attempt = 0
        while True:
            try:
                return call()
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
                if code in _PRECONDITION_FAILED:
                    raise _PreconditionFailed from None
                if code in _GONE:
                    raise _Absent from None
                cause: Exception = error
                transient = status >= 500 or status in (409, 429) or code in _TRANSIENT_CODES
            except (BotoCoreError, _PartlyDone) as error:
                cause, transient = error, True
            pause = random.uniform(0, min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311 - no secret
            if not transient or time.monotonic() + pause >= deadline:
                raise DependencyUnavailable from cause
            time.sleep(pause)
            attempt += 1

    @property
    def _s3(self) -> S3Client:
        with self._making:
            if self._made is None:
                self._made = _client()
            return self._made


def _headers(content_type: str, cache_control: str, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    return {"ContentType": content_type, "CacheControl": cache_control, "Metadata": dict(metadata or {})}


def _client() -> S3Client:
    from botocore.config import Config
    from botocore.session import get_session

    client: Any = get_session().create_client(
        "s3",
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=CONNECTIONS,
        ),
    )
    made: S3Client = client
    return made

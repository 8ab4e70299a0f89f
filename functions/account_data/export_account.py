"""Stage 7 · a copy of all that is stored about one person, as gzipped JSON, where only they can fetch it."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import IO, Any, Protocol

import msgspec

from headwater.adapters.account_exports import ExportState
from headwater.domain.ids import UserId
from headwater.media.object_keys import account_export

GZIP_TYPE = "application/gzip"
FOR_NOBODY_ELSE = "private, no-store"


class Records(Protocol):
    def is_closed(self, user_id: UserId) -> bool | None: ...
    def sections(self, user_id: UserId) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]: ...
    def said_after(self, user_id: UserId, message_id: str) -> Sequence[Mapping[str, Any]]: ...


class Exports(Protocol):
    def settle(self, export_id: str, state: ExportState, now: datetime) -> None: ...


class Work(Protocol):
    @property
    def records(self) -> Records: ...
    @property
    def exports(self) -> Exports: ...


class Bucket(Protocol):
    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> None: ...
    def delete_many(self, keys: Iterable[str]) -> int: ...


class ExportAccount:
    def __init__(self, unit_of_work: Callable[[], AbstractContextManager[Work]], uploads: Bucket) -> None:
        self._unit_of_work = unit_of_work
        self._uploads = uploads

    def __call__(self, user_id: UserId, export_id: str) -> None:
        """Raises DependencyUnavailable; then call it again."""
        with self._unit_of_work() as work:
            if work.records.is_closed(user_id) is not False:
                return
        with tempfile.TemporaryFile() as file:
            with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
                self._write(packed, user_id)
            file.seek(0)
            key = account_export(user_id, export_id)
            self._uploads.put(key, file.read(), GZIP_TYPE, FOR_NOBODY_ELSE)
        with self._unit_of_work() as work:
            work.exports.settle(export_id, ExportState.READY, datetime.now(UTC))
            gone = work.records.is_closed(user_id) is not False
        if gone:  # meanwhile, and perhaps erased with what files there were
            self._uploads.delete_many([key])

    def _write(self, out: IO[bytes] | gzip.GzipFile, user_id: UserId) -> None:
        """One JSON object; a page of chat at a time, for somebody may have said a lot."""
        out.write(b"{")
        with self._unit_of_work() as work:
            for name, records in work.records.sections(user_id):
                out.write(msgspec.json.encode(name) + b":" + msgspec.json.encode(records) + b",\n")
        out.write(b'"chat_messages":[')
        last = ""
        while page := self._said_after(user_id, last):
            out.write((b",\n" if last else b"") + b",\n".join(msgspec.json.encode(message) for message in page))
            last = page[-1]["message_id"]
        out.write(b"]}\n")

    def _said_after(self, user_id: UserId, message_id: str) -> Sequence[Mapping[str, Any]]:
        with self._unit_of_work() as work:
            return work.records.said_after(user_id, message_id)

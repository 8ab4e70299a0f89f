"""Stage 6 · put the files of the pages where the CDN finds them, and take away what is no longer one of them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Protocol

# Browsers ask every time; the CDN's edges, once a minute (infra/delivery_paths.py).
ALWAYS_REVALIDATED = "no-cache"
ADDRESSES = "config.json"
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


class Bucket(Protocol):
    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> None: ...
    def list(self, prefix: str) -> Iterable[str]: ...
    def delete_many(self, keys: Iterable[str]) -> int: ...


def publish_pages(archive: bytes, addresses: str, bucket: Bucket) -> int:
    """`archive` is a zip of the files, `addresses` the JSON that pages read first; how many files there are now.

    Documents come last, so that none names what is not there yet. Done again, it ends the same. Raises ValueError for an
    archive that holds something else than the files of pages, with nothing written.
    """
    files = dict(_files(archive))
    files[ADDRESSES] = addresses.encode()
    types = {name: _content_type(name) for name in files}
    for name in sorted(files, key=lambda each: (each.endswith(".html"), each)):
        bucket.put(name, files[name], types[name], ALWAYS_REVALIDATED)
    outdated = [key for key in bucket.list("") if key not in files]
    if outdated:
        bucket.delete_many(outdated)
    return len(files)


def _files(archive: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        for entry in opened.infolist():
            if not entry.is_dir():
                yield entry.filename, opened.read(entry)


def _content_type(name: str) -> str:
    known = CONTENT_TYPES.get(PurePosixPath(name).suffix)
    if known is None:
        raise ValueError(f"{name} is no file of the pages: known are {', '.join(sorted(CONTENT_TYPES))}")
    return known

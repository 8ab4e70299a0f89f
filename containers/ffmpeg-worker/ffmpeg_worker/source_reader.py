"""Stage 4, in · reads one source from its ingest node: HTTP bytes in, the publisher's audio, video and metadata out.

Sans-I/O: whoever owns the socket sends `request` and feeds what it received. That lets one loop watch the socket and
FFmpeg's pipes together. The answer is always chunked (RFC 9112, 7.1), so that a source's end differs from a broken
connection, after which `request` asks for what comes after the last tag.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from headwater.media.flv import MalformedFlv, Tag, TagReader
from headwater.media.source_mark import read_mark

MAX_HEADER_BYTES = 4096


class SourceEnded(Exception):
    """The source is over, or the node knows of none."""


class SourceBroken(Exception):
    """What the node sends is not understood. Ask again."""


@dataclass(frozen=True, slots=True)
class SourceAddress:
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> SourceAddress:
        """`http://host:port/path`. Raises ValueError for anything else, without repeating the URL."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or not parts.path.strip("/") or not parts.path.isascii():
            raise ValueError("not an http:// URL with a path")
        return cls(parts.hostname, parts.port or 80, parts.path)


class SourceReader:
    """One source, over as many connections as it takes. Begins at `from_ms` (publisher's clock), or with the oldest."""

    def __init__(self, address: SourceAddress, from_ms: int | None = None) -> None:
        self._address = address
        self._from_ms = from_ms
        self._next: int | None = None  # the number of the tag that comes next, as far as it is known
        self.wall_offset_ms = 0  # when the node received a tag, in Unix ms, minus its timestamp
        self.missed = 0  # tags that the node no longer had when we came back
        self._begin()

    def _begin(self) -> None:
        self._buffer = bytearray()
        self._in_body = False
        self._chunk_left = 0
        self._tags = TagReader()
        self._resuming = self._next

    def request(self) -> bytes:
        """What to send on a new connection."""
        self._begin()
        query = ""
        if self._next is not None:
            query = f"?from_tag={self._next}"
        elif self._from_ms is not None:
            query = f"?from_ms={self._from_ms}"
        host = f"{self._address.host}:{self._address.port}"
        return f"GET {self._address.path}{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()

    def receive(self, data: bytes) -> Iterator[Tag]:
        """The tags that `data` completes. Raises SourceEnded, SourceBroken."""
        self._buffer += data
        if not self._in_body and not self._read_header():
            return
        try:
            for media in self._chunks():
                for tag in self._tags.feed(media):
                    if not self._read_mark(tag):
                        yield tag
        except MalformedFlv as error:
            raise SourceBroken(str(error)) from None

    def _read_header(self) -> bool:
        header, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            if len(self._buffer) > MAX_HEADER_BYTES:
                raise SourceBroken("no HTTP answer")
            return False
        status = header.split(b"\r\n", 1)[0].split(b" ")
        if len(status) < 2 or not status[0].startswith(b"HTTP/1."):
            raise SourceBroken("no HTTP answer")
        if status[1] != b"200":
            raise SourceEnded(f"the node answered {status[1].decode(errors='replace')[:3]}")
        self._buffer = rest
        self._in_body = True
        return True

    def _chunks(self) -> Iterator[bytes]:
        """What is inside the chunks, as far as it is there."""
        buffer = self._buffer
        while buffer:
            if self._chunk_left > 2:
                taken = bytes(buffer[: self._chunk_left - 2])
                self._chunk_left -= len(taken)
                del buffer[: len(taken)]
                yield taken
                continue
            if self._chunk_left:  # the line break that follows
                self._chunk_left -= 1
                del buffer[:1]
                continue
            line, end, _ = buffer.partition(b"\r\n")
            if not end:
                return
            del buffer[: len(line) + 2]
            try:
                size = int(line, 16)
            except ValueError:
                raise SourceBroken("no chunk size") from None
            if size == 0:
                raise SourceEnded("the source is over")
            self._chunk_left = size + 2

    def _read_mark(self, tag: Tag) -> bool:
        """Keep count; whether `tag` was a mark, and none of the publisher's."""
        mark = read_mark(tag)
        if mark is None:
            if self._next is not None and self._resuming is None:
                self._next += 1
            return False
        if self._resuming is not None:
            self.missed += max(0, mark.number - self._resuming)
            self._resuming = None
        self._next = mark.number
        self.wall_offset_ms = mark.received_at - tag.timestamp
        return True

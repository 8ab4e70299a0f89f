"""Stage 1 → 4 · `GET /sources/{name}`: a source as FLV over HTTP, what is buffered first, then live, until it ends.

`from_ms` asks for the last keyframe at or before that time of the publisher's clock, `from_tag` for everything after a tag
that was seen already (RFC 9112, chunked: a source that has ended ends properly, a broken connection does not). The name
is a capability of 128 random bits, and is never logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from headwater.media.flv import Tag
from rtmp_ingest.source_buffer import FellBehind, SourceBuffer

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

REQUEST_SECONDS = 5.0
REQUEST_BYTES = 4096
WRITE_SECONDS = 30.0  # a consumer that takes nothing for so long is gone
BATCH_BYTES = 256 * 1024
GATHERING_SECONDS = 0.01  # frames of sound and picture come one by one; sending each on its own costs more than they do
_REQUEST = re.compile(rb"GET /sources/([A-Za-z0-9-]{1,200})(?:\?(from_ms|from_tag)=([0-9]{1,15}))? HTTP/1\.[01]\r\n")


class Source:
    """A buffer, and those who wait for more of it."""

    def __init__(self, *, keep_ms: int, max_size: int) -> None:
        # A consumer of an earlier run of this server may come back and ask for what follows its last tag. There are fewer
        # tags than milliseconds, so its number is below ours, and it is not given what only bears the same number.
        self.buffer = SourceBuffer(keep_ms=keep_ms, max_size=max_size, first=time.time_ns() // 1_000_000)
        self.attached = asyncio.Event()  # nginx plays it to us
        self.over = asyncio.Event()
        self.heard_at = time.monotonic()
        self._waiting: set[asyncio.Event] = set()

    def add(self, tags: Iterable[Tag]) -> None:
        """What the publisher sent just now."""
        now = time.time_ns() // 1_000_000
        for tag in tags:
            self.buffer.append(tag, now)
            self.heard_at = time.monotonic()
        self._wake()

    def end(self) -> None:
        if not self.buffer.ended:
            self.buffer.ended = True
            self.heard_at = time.monotonic()
            self.over.set()
            self._wake()

    def _wake(self) -> None:
        for event in self._waiting:
            event.set()

    async def wait_for(self, number: int) -> None:
        """Until tag `number` is there, or never will be."""
        await self._until(lambda: self.buffer.next > number)

    async def gather(self, number: int) -> None:
        """A moment for what comes along with tag `number`. A keyframe tells that a segment is over: it does not wait."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GATHERING_SECONDS):
                await self._until(lambda: self.buffer.has_keyframe_since(number))

    async def _until(self, holds: Callable[[], bool]) -> None:
        """`holds` may come true with every tag; it is not waited for once the source has ended."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            while not (holds() or self.buffer.ended):
                event.clear()
                await event.wait()
        finally:
            self._waiting.discard(event)


class SourceHttp:
    def __init__(self, sources: Mapping[str, Source], allowed: Sequence[Network]) -> None:
        self._sources = sources
        self._allowed = allowed
        self._answering: set[asyncio.Task[None] | None] = set()

    async def drain(self, seconds: float) -> None:
        """Until every consumer has what there was for it. A connection that is cut off must not look like a source's end."""
        if waiting := [task for task in self._answering if task is not None]:
            await asyncio.wait(waiting, timeout=seconds)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one request, one source."""
        task = asyncio.current_task()
        self._answering.add(task)
        try:
            if not self._may_pull(writer):
                await _refuse(writer, "403 Forbidden")
                return
            async with asyncio.timeout(REQUEST_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
            found = _REQUEST.match(request) if len(request) <= REQUEST_BYTES else None
            source = self._sources.get(found[1].decode()) if found else None
            if found is None or source is None:
                await _refuse(writer, "404 Not Found")
                return
            await _serve(source, found[2], int(found[3] or 0), writer)
        except (OSError, TimeoutError, FellBehind, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()  # unlike a proper end, and at once, whatever is still to be written
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self._answering.discard(task)

    def _may_pull(self, writer: asyncio.StreamWriter) -> bool:
        peer = writer.get_extra_info("peername")
        return bool(peer) and any(ipaddress.ip_address(peer[0]) in network for network in self._allowed)


async def _refuse(writer: asyncio.StreamWriter, status: str) -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()


async def _serve(source: Source, asked: bytes | None, value: int, writer: asyncio.StreamWriter) -> None:
    buffer = source.buffer
    writer.transport.set_write_buffer_limits(high=2 * BATCH_BYTES)
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\nCache-Control: no-store\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    number, continues = _start(buffer, asked, value)
    await source.wait_for(number)
    if not continues:
        number = max(number, buffer.first)
    await _send(writer, buffer.continuation(number) if continues else buffer.preface(number))
    while True:
        data, number = buffer.read(number, BATCH_BYTES)
        if data:
            await _send(writer, data)
        elif buffer.ended:
            break
        else:
            await source.wait_for(number)
            await source.gather(number)
    writer.write(b"0\r\n\r\n")
    async with asyncio.timeout(WRITE_SECONDS):
        await writer.drain()


def _start(buffer: SourceBuffer, asked: bytes | None, value: int) -> tuple[int, bool]:
    """The first tag to send, and whether the consumer has seen all that was before it."""
    if asked == b"from_tag":
        if buffer.first <= value <= buffer.next:
            return value, True
        return buffer.latest_start(), False  # it could not keep up: it shall not have to catch up with a minute as well
    return buffer.start_at(value if asked else None), False


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))
    async with asyncio.timeout(WRITE_SECONDS):
        await writer.drain()

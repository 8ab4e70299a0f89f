"""Stage 7 · one HTTP/1.1 connection that is kept alive: one request at a time, of whose answer only the status is wanted.

asyncio's streams cost as much as everything else that a post takes; what is read here is little enough to do without.
"""

from __future__ import annotations

import asyncio
from typing import cast

_LARGEST_ANSWER = 64 * 1024


class Broken(Exception):
    """The wire broke before an answer was whole. `silent`: nothing of one had come."""

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent


class HttpWire(asyncio.Protocol):
    def __init__(self) -> None:
        self.usable = True  # for another request
        self.used = False  # for one before
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._status: asyncio.Future[int] | None = None
        self._lost = asyncio.get_running_loop().create_future()

    async def ask(self, request: bytes, seconds: float) -> int:
        """The status, when the whole answer was read. Raises Broken, and TimeoutError; then the wire is of no more use."""
        if self._transport is None or not self.usable:
            raise Broken(silent=True)
        loop = asyncio.get_running_loop()
        self._received = b""
        self._status = loop.create_future()
        too_late = loop.call_later(seconds, self._give_up, self._status)
        self._transport.write(request)
        try:
            return await self._status
        except asyncio.CancelledError:
            self.abort()  # an answer is still to come, which is nobody's
            raise
        finally:
            too_late.cancel()
            self.used = True

    def abort(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.close()
            await self._lost

    def _give_up(self, status: asyncio.Future[int]) -> None:
        if not status.done():
            status.set_exception(TimeoutError())
            self.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._status is None or self._status.done():
            self.abort()  # nobody asked
            return
        self._received += data
        try:
            answer = _read_answer(self._received)
        except ValueError:
            self.abort()
            return
        if answer is not None:
            status, self.usable = answer
            self._status.set_result(status)
            if not self.usable and self._transport is not None:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.usable = False
        if self._status is not None and not self._status.done():
            self._status.set_exception(Broken(silent=not self._received))
        if not self._lost.done():
            self._lost.set_result(None)


def _read_answer(received: bytes) -> tuple[int, bool] | None:
    """The status, and whether another request may follow on the same wire; None when some of it is still to come.

    RFC 9112 § 6.3. Raises ValueError for what is no answer.
    """
    end = received.find(b"\r\n\r\n")
    if end < 0:
        if len(received) > _LARGEST_ANSWER:
            raise ValueError("an endless head")
        return None
    head = received[: end + 2].lower()
    status = int(head[9:12])
    reusable = head.startswith(b"http/1.1") and _field(head, b"connection") != b"close"
    if _field(head, b"transfer-encoding") == b"chunked":
        return (status, reusable) if _has_all_chunks(received, end + 4) else None
    length = _field(head, b"content-length")
    if length is None:
        return status, reusable and status == 204
    missing = end + 4 + int(length) - len(received)
    if missing > _LARGEST_ANSWER:
        raise ValueError("an endless body")
    return None if missing > 0 else (status, reusable)


def _field(head: bytes, name: bytes) -> bytes | None:
    """The value of a header field in a lower-case head whose lines all end in CRLF."""
    at = head.find(b"\r\n" + name + b":")
    return None if at < 0 else head[at + len(name) + 3 : head.index(b"\r\n", at + 2)].strip()


def _has_all_chunks(received: bytes, at: int) -> bool:
    """RFC 9112 § 7.1, without trailers."""
    while True:
        end = received.find(b"\r\n", at)
        if end < 0:
            return False
        size = int(received[at:end].split(b";")[0], 16)
        at = end + 2 + size + 2
        if at > len(received):
            return False
        if size == 0:
            return True

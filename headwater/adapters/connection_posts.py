"""Stage 7 · sends frames to WebSockets through API Gateway's `@connections`: asynchronous, over connections kept alive.

botocore's client sends 900 posts a second per vCPU; this one is made for nothing else, and sends twenty times as many.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import ssl
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from headwater.adapters import aws
from headwater.adapters.request_signing import EMPTY_BODY_HASH, RequestSigner, SigningCredentials
from headwater.domain.ids import ConnectionId
from headwater.errors import DependencyUnavailable

Done = TypeVar("Done")

POST_SECONDS = 2.0  # for one frame, retries included; then its connection counts as unresponsive
CONNECT_SECONDS = 1.0
ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.05
OPEN_WIRES = 128  # to API Gateway at the same time
_LARGEST_ANSWER = 64 * 1024


class Outcome(StrEnum):
    DELIVERED = "delivered"
    GONE = "gone"  # 410: there is no such connection any more
    UNRESPONSIVE = "unresponsive"  # no answer in time, or throttled or failing until the end


@dataclass(frozen=True, slots=True)
class _Wire:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class _Broken(Exception):
    """The wire broke; `unused` when it was an old one on which nothing came back, so that the request is sent anew."""

    def __init__(self, *, unused: bool) -> None:
        self.unused = unused


class ConnectionPosts:
    """Use it on one event loop only, which may stop and go on between calls."""

    def __init__(self, callback_url: str, signer: RequestSigner) -> None:
        """`callback_url`: `https://{api}.execute-api.{region}.amazonaws.com/{stage}`, without `@connections`."""
        base = urlsplit(callback_url)
        self._tls = base.scheme == "https"
        self._address = (base.hostname or "", base.port or (443 if self._tls else 80))
        self._host = base.netloc
        self._path = base.path.rstrip("/") + "/%40connections/"
        self._signer = signer
        self._idle: list[_Wire] = []
        self._slots = asyncio.Semaphore(OPEN_WIRES)
        self._ssl: ssl.SSLContext | None = None

    async def post(self, connection_id: ConnectionId, frame: str) -> Outcome:
        """Raises DependencyUnavailable when API Gateway cannot be reached or refuses us, whoever the frame is for."""
        body = frame.encode()
        try:
            async with asyncio.timeout(POST_SECONDS):
                return await self._insist("POST", connection_id, body, hashlib.sha256(body).hexdigest())
        except TimeoutError:
            return Outcome.UNRESPONSIVE

    async def close(self, connection_id: ConnectionId) -> bool:
        """Close the socket; one that is closed already is no error. False when there was no answer in time."""
        try:
            async with asyncio.timeout(POST_SECONDS):
                outcome = await self._insist("DELETE", connection_id, b"", EMPTY_BODY_HASH)
        except TimeoutError:
            return False
        return outcome is not Outcome.UNRESPONSIVE

    async def aclose(self) -> None:
        """Let go of the wires that are kept."""
        while self._idle:
            await _hang_up(self._idle.pop())

    async def _insist(self, method: str, connection_id: ConnectionId, body: bytes, body_hash: str) -> Outcome:
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311 - no secret
            status = await self._exchange(method, connection_id, body, body_hash)
            if status < 300:
                return Outcome.DELIVERED
            if status == 410:
                return Outcome.GONE
            if status != 429 and status < 500:
                # 403: we may not; 400, 413: we built it wrong. Nobody's connection is to blame.
                raise DependencyUnavailable(f"`@connections` answered {status}.")
        return Outcome.UNRESPONSIVE

    async def _exchange(self, method: str, connection_id: ConnectionId, body: bytes, body_hash: str) -> int:
        """The status of one request; 503 when the wire broke before it was known."""
        path = self._path + quote(connection_id, safe="")
        signed = self._signer.headers(method, self._host, path, body_hash, datetime.now(UTC))
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._host}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in signed.items()]
        request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        async with self._slots:
            while True:
                try:
                    async with self._wire() as wire:
                        wire.writer.write(request)
                        return await self._answer(wire)
                except _Broken as broken:
                    if not broken.unused:
                        return 503

    @contextlib.asynccontextmanager
    async def _wire(self) -> AsyncIterator[_Wire]:
        """A kept wire or a new one; kept again only when the code inside left it between two answers."""
        kept = bool(self._idle)
        wire = self._idle.pop() if kept else await self._dial()
        try:
            yield wire
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            wire.writer.transport.abort()
            # The other side closes wires that were quiet for long, just when we use them again.
            unused = kept and not (isinstance(error, asyncio.IncompleteReadError) and error.partial)
            raise _Broken(unused=unused) from error
        except BaseException:
            wire.writer.transport.abort()  # cancelled: an answer is still to come on it, which is nobody's
            raise

    async def _dial(self) -> _Wire:
        if self._tls and self._ssl is None:
            self._ssl = ssl.create_default_context()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(*self._address, ssl=self._ssl, limit=_LARGEST_ANSWER)
        except OSError as error:  # TimeoutError and ssl.SSLError are OSErrors too
            raise DependencyUnavailable("`@connections` cannot be reached.") from error
        return _Wire(reader, writer)

    async def _answer(self, wire: _Wire) -> int:
        """Read one answer to its end (RFC 9112 § 6.3), and keep the wire when it may be used again."""
        head = (await wire.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.rstrip().split("\r\n")
        status = int(status_line.split(" ", 2)[1])
        headers = {name.strip().lower(): value.strip().lower() for name, _, value in (x.partition(":") for x in lines)}
        reusable = status_line.startswith("HTTP/1.1") and headers.get("connection") != "close"
        if headers.get("transfer-encoding") == "chunked":
            while size := int((await wire.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                await wire.reader.readexactly(size + 2)
            await wire.reader.readuntil(b"\r\n")
        elif "content-length" in headers:
            await wire.reader.readexactly(int(headers["content-length"]))
        else:
            reusable = reusable and status == 204
        if reusable:
            self._idle.append(wire)
        else:
            wire.writer.close()
        return status


def signed_posts(callback_url: str) -> ConnectionPosts:
    """Posts signed with this process's own credentials."""

    def frozen() -> SigningCredentials:
        found = aws.credentials().get_frozen_credentials()
        return SigningCredentials(found.access_key, found.secret_key, found.token)

    return ConnectionPosts(callback_url, RequestSigner(frozen, aws.region(), "execute-api"))


class PostingLoop:
    """For functions that post in every call: an event loop that is kept between calls, and with it the wires."""

    def __init__(self, callback_url: str) -> None:
        self.posts = signed_posts(callback_url)
        self._loop = asyncio.new_event_loop()

    def run(self, work: Coroutine[Any, Any, Done]) -> Done:
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        self._loop.run_until_complete(self.posts.aclose())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


async def _hang_up(wire: _Wire) -> None:
    wire.writer.close()
    with contextlib.suppress(OSError):
        await wire.writer.wait_closed()

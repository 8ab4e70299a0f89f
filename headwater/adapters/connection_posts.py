"""Stage 7 · sends frames to WebSockets through API Gateway's `@connections`: asynchronous, over connections kept alive.

botocore's client spends a millisecond of CPU on a post; this one is made for nothing else, and spends less than a tenth.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import random
import ssl
from collections import deque
from collections.abc import Coroutine
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from headwater.adapters import aws
from headwater.adapters.http_wire import Broken, HttpWire
from headwater.adapters.request_signing import EMPTY_BODY_HASH, RequestSigner, SigningCredentials
from headwater.domain.ids import ConnectionId
from headwater.errors import DependencyUnavailable

Done = TypeVar("Done")

POST_SECONDS = 2.0  # for one frame, retries included; then its connection counts as unresponsive
CONNECT_SECONDS = 1.0
ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.05
OPEN_WIRES = 128  # to API Gateway at the same time


class Outcome(StrEnum):
    DELIVERED = "delivered"
    GONE = "gone"  # 410: there is no such connection any more
    UNRESPONSIVE = "unresponsive"  # no answer in time, or throttled or failing until the end


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
        self._wires = 0
        self._idle: list[HttpWire] = []
        self._waiting: deque[asyncio.Future[HttpWire | None]] = deque()
        self._ssl: ssl.SSLContext | None = None

    async def post(self, connection_id: ConnectionId, frame: str) -> Outcome:
        """Raises DependencyUnavailable when API Gateway cannot be reached or refuses us, whoever the frame is for."""
        return await self._insist("POST", connection_id, *_body(frame))

    async def close(self, connection_id: ConnectionId) -> bool:
        """Close the socket; one that is closed already is no error. False when there was no answer in time."""
        return await self._insist("DELETE", connection_id, b"", EMPTY_BODY_HASH) is not Outcome.UNRESPONSIVE

    async def aclose(self) -> None:
        """Let go of the wires that are kept."""
        while self._idle:
            self._wires -= 1
            await self._idle.pop().close()

    async def _insist(self, method: str, connection_id: ConnectionId, body: bytes, body_hash: str) -> Outcome:
        seconds_left = POST_SECONDS
        for attempt in range(ATTEMPTS):
            if attempt:
                pause = random.uniform(0, FIRST_PAUSE_SECONDS * 2**attempt)  # noqa: S311 - no secret
                seconds_left -= pause
                await asyncio.sleep(pause)
            wire = await self._take_wire()  # who has to wait for one is not to blame: this time does not count
            began = asyncio.get_running_loop().time()
            try:
                status = await self._exchange(wire, method, connection_id, body, body_hash, seconds_left)
            except TimeoutError:
                break
            seconds_left -= asyncio.get_running_loop().time() - began
            if status < 300:
                return Outcome.DELIVERED
            if status == 410:
                return Outcome.GONE
            if status != 429 and status < 500:
                # 403: we may not; 400, 413: we built it wrong. Nobody's connection is to blame.
                raise DependencyUnavailable(f"`@connections` answered {status}.")
        return Outcome.UNRESPONSIVE

    async def _exchange(
        self, wire: HttpWire, method: str, connection_id: ConnectionId, body: bytes, body_hash: str, seconds: float
    ) -> int:
        """The status of one request; 503 when the wire broke before it was known. Raises TimeoutError."""
        path = self._path + _escaped(connection_id)
        signed = self._signer.headers(method, self._host, path, body_hash, datetime.now(UTC))
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._host}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in signed.items()]
        request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        while True:
            kept = wire.used
            try:
                return await wire.ask(request, max(0.0, seconds))
            except Broken as broken:
                if not (kept and broken.silent):
                    return 503
                # The other side closes wires that were quiet for long, just when we use them again.
            finally:
                self._give_back(wire)
            wire = await self._take_wire()

    async def _take_wire(self) -> HttpWire:
        """A kept one, a new one, or, when there are as many as there may be, the next that somebody is done with."""
        while True:
            if self._idle:
                wire: HttpWire | None = self._idle.pop()
            elif self._wires < OPEN_WIRES:
                self._wires += 1
                try:
                    return await self._dial()
                except BaseException:
                    self._give_back(None)
                    raise
            else:
                waiting = asyncio.get_running_loop().create_future()
                self._waiting.append(waiting)
                try:
                    wire = await waiting
                except asyncio.CancelledError:
                    if waiting.done() and not waiting.cancelled() and waiting.result() is not None:
                        self._give_back(waiting.result())
                    raise
            if wire is not None:
                if wire.usable:
                    return wire
                self._wires -= 1

    def _give_back(self, wire: HttpWire | None) -> None:
        """`wire`, or in place of one that is of no more use, None: leave to open another."""
        if wire is None or not wire.usable:
            self._wires -= 1
            wire = None
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(wire)
                return
        if wire is not None:
            self._idle.append(wire)

    async def _dial(self) -> HttpWire:
        if self._tls and self._ssl is None:
            self._ssl = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, wire = await loop.create_connection(HttpWire, *self._address, ssl=self._ssl)
        except OSError as error:  # TimeoutError and ssl.SSLError are OSErrors too
            raise DependencyUnavailable("`@connections` cannot be reached.") from error
        return wire


@functools.lru_cache(maxsize=64)
def _body(frame: str) -> tuple[bytes, str]:
    """A frame as it is sent, and its hash: one frame is sent to a thousand connections."""
    body = frame.encode()
    return body, hashlib.sha256(body).hexdigest()


@functools.lru_cache(maxsize=16_384)
def _escaped(connection_id: ConnectionId) -> str:
    return quote(connection_id, safe="")


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

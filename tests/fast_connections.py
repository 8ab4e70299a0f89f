"""An `@connections` endpoint that keeps up with thousands of posts a second; what it answers is the test's business."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from tests.chat_protocol import NotInProtocol, check_server_frame

Answer = Callable[[str, str, str], int]  # method, connection, frame → status

_ANSWERS = {status: b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status for status in (200, 403, 410, 429, 500)}


class Wire(asyncio.Protocol):
    def __init__(self, answer: Answer, transports: set[Any], latency_seconds: float) -> None:
        self._answer = answer
        self._transports = transports
        self._latency_seconds = latency_seconds
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._transports.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].decode()
            whole = end + 4 + int(head.lower().partition("content-length:")[2].partition("\r\n")[0])
            if len(self._received) < whole:
                return
            frame, self._received = self._received[end + 4 : whole], self._received[whole:]
            method, path, _ = head.split(" ", 2)
            status = self._answer(method, unquote(path.rpartition("/")[2]), frame.decode())
            if self._latency_seconds:
                asyncio.get_running_loop().call_later(self._latency_seconds, self._transport.write, _ANSWERS[status])
            else:
                self._transport.write(_ANSWERS[status])


@contextmanager
def fast_connections(answer: Answer, *, latency_seconds: float = 0.0) -> Iterator[str]:
    """Its URL. `answer` is called in a thread of its own, one call at a time. Raises NotInProtocol in the end, if a frame was
    posted that is not described."""
    violations: list[NotInProtocol] = []

    @functools.lru_cache  # most frames are posted to many
    def look_at(frame: str) -> None:
        try:
            check_server_frame(frame)
        except NotInProtocol as violation:
            violations.append(violation)

    def looked_at(method: str, connection_id: str, frame: str) -> int:
        if method == "POST":
            look_at(frame)
        return answer(method, connection_id, frame)

    loop = asyncio.new_event_loop()
    transports: set[Any] = set()
    server = loop.run_until_complete(
        loop.create_server(lambda: Wire(looked_at, transports, latency_seconds), "127.0.0.1", 0)
    )
    thread = threading.Thread(target=loop.run_forever, name="fast-connections")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/chat"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        while transports:
            for transport in transports:
                transport.abort()
            loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    if violations:
        raise violations[0]

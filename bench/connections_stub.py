"""`python -m bench.connections_stub`: an `@connections` endpoint that takes whatever it is sent, and keeps up with any sender.

Prints its port. `GET /figures` answers what has come since the last time: how many posts of how many bytes, and, for every
run of events, when the last of its connections got it (Unix seconds). `?delay=` sets how long each post waits for its
answer, in seconds, as API Gateway's do.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Run(msgspec.Struct):
    """The events `first` to `last` of a room, as they stood together in a frame."""

    first: int
    last: int
    arrivals: int = 0
    complete_at: float = 0.0


class Seen(msgspec.Struct):
    posts: int = 0
    frame_bytes: int = 0
    runs: dict[str, Run] = {}


class Stub:
    def __init__(self) -> None:
        self.seen = Seen()
        self.delay = 0.0

    def post(self, body: bytes) -> None:
        seen = self.seen
        seen.posts += 1
        seen.frame_bytes += len(body)
        first = body.find(b'"seq":')
        if first < 0:
            return
        last = body.rfind(b'"seq":')
        numbers = body[first + 6 : first + 19], body[last + 6 : last + 19]  # milliseconds since 1970 have 13 digits
        key = f"{body[27:60]!r}{numbers!r}"
        run = seen.runs.get(key)
        if run is None:
            run = seen.runs[key] = Run(int(numbers[0]), int(numbers[1]))
        run.arrivals += 1
        run.complete_at = time.time()

    def ask(self, target: str) -> bytes:
        self.delay = float(parse_qs(urlsplit(target).query).get("delay", [str(self.delay)])[0])
        seen, self.seen = self.seen, Seen(runs={})
        body = msgspec.json.encode(seen)
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body


class Wire(asyncio.Protocol):
    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            if head.startswith(b"GET"):
                self._transport.write(self._stub.ask(head.split(b" ", 2)[1].decode()))
                self._received = self._received[end + 4 :]
                continue
            at = head.lower().find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._received) < end + 4 + size:
                return
            self._stub.post(self._received[end + 4 : end + 4 + size])
            self._received = self._received[end + 4 + size :]
            if self._stub.delay:
                asyncio.get_running_loop().call_later(self._stub.delay, self._transport.write, _OK)
            else:
                self._transport.write(_OK)


async def _serve() -> None:
    stub = Stub()
    server = await asyncio.get_running_loop().create_server(lambda: Wire(stub), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())

"""A kept HTTP connection reads an answer to its end, however it comes, and knows whether it may be used again."""

from __future__ import annotations

import asyncio

import pytest

from headwater.adapters.http_wire import Broken, HttpWire
from tests.event_loops import run

GATEWAYS = (
    b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Length: 0\r\nConnection: keep-alive\r\n"
    b"x-amzn-RequestId: 1\r\n\r\n"
)
GONE = b"HTTP/1.1 410 Gone\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n" + b'{"message":"x"}'
CHUNKED = b"HTTP/1.1 503 Unavailable\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n"


class Transport(asyncio.Transport):
    """The other side of the wire: what it was sent, and whether it was hung up."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.over = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def close(self) -> None:
        self.over = True

    abort = close


async def asked(wire: HttpWire, *pieces: bytes, lost: bool = False) -> int:
    answer = asyncio.create_task(wire.ask(b"request", 60))
    await asyncio.sleep(0)
    for piece in pieces:
        wire.data_received(piece)
    if lost:
        wire.connection_lost(None)
    return await answer


def new_wire() -> tuple[HttpWire, Transport]:
    wire, transport = HttpWire(), Transport()
    wire.connection_made(transport)
    return wire, transport


@pytest.mark.parametrize("answer", [GATEWAYS, GONE, CHUNKED, b"HTTP/1.1 204 No Content\r\n\r\n"])
def test_an_answer_is_read_whole_however_it_is_cut_and_another_may_follow(answer: bytes) -> None:
    async def work() -> None:
        wire, transport = new_wire()
        status = int(answer.split()[1])
        for cut in range(1, len(answer)):
            assert await asked(wire, answer[:cut], answer[cut:]) == status
            assert wire.usable
        assert transport.sent == b"request" * (len(answer) - 1)

    run(work())


@pytest.mark.parametrize(
    "answer",
    [
        GATEWAYS.replace(b"keep-alive", b"close"),
        b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    ],
)
def test_a_wire_that_ends_with_its_answer_is_hung_up(answer: bytes) -> None:
    async def work() -> None:
        wire, transport = new_wire()
        assert await asked(wire, answer) == 200
        assert transport.over and not wire.usable

    run(work())


@pytest.mark.parametrize(("came", "silent"), [(b"", True), (b"HTTP/1.1 2", False)])
def test_a_wire_that_breaks_tells_whether_anything_had_come(came: bytes, silent: bool) -> None:
    async def work() -> None:
        wire, _ = new_wire()
        with pytest.raises(Broken) as broken:
            await asked(wire, *([came] if came else []), lost=True)
        assert broken.value.silent is silent
        assert not wire.usable

    run(work())


def test_an_answer_that_nobody_waits_for_any_more_is_nobody_elses() -> None:
    async def work() -> None:
        wire, transport = new_wire()
        with pytest.raises(TimeoutError):
            await wire.ask(b"request", 0)
        assert transport.over and not wire.usable
        with pytest.raises(Broken):
            await wire.ask(b"another", 60)

    run(work())


@pytest.mark.parametrize(
    "nonsense",
    [b"x" * 70_000, b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n"],
)
def test_what_is_no_answer_ends_the_wire(nonsense: bytes) -> None:
    async def work() -> None:
        wire, transport = new_wire()
        answer = asyncio.create_task(wire.ask(b"request", 60))
        await asyncio.sleep(0)
        wire.data_received(nonsense)
        assert transport.over
        wire.connection_lost(None)  # as asyncio does then
        with pytest.raises(Broken):
            await answer

    run(work())

"""Stage 1 → 4 · `python -m rtmp_ingest.source_server`: plays every stream of this node's nginx, and serves workers.

A process of its own, so that media never waits for hooks nor they for media. The node speaks to it on stdin, one line each:
`attach NAME`; the answer on stdout is `attached NAME`, once nginx sends everything that is published under that name.
It ends when stdin does.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from ipaddress import IPv4Address

from headwater.settings import load_settings
from rtmp_ingest.rtmp_chunks import MalformedChunk
from rtmp_ingest.rtmp_reader import RtmpAddress, RtmpReader, SourceEnded
from rtmp_ingest.settings import SourceSettings, parse_networks
from rtmp_ingest.source_http import Source, SourceHttp

APPLICATION = "live"
LOOPBACK = "127.0.0.1"
ANY_ADDRESS = str(IPv4Address(0))
CONNECT_SECONDS = 2.0
NOTHING_SECONDS = 40.0  # a name that was let in, and under which nothing ever came
LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)


class SourcePlayer(asyncio.Protocol):
    """One connection to nginx, as a player of one stream: what it receives becomes the source's buffer."""

    def __init__(self, source: Source, address: RtmpAddress, on_ready: asyncio.Event) -> None:
        self._source = source
        self._reader = RtmpReader(address)
        self._ready = on_ready
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP
        self._transport = transport
        transport.write(self._reader.outgoing())

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None  # noqa: S101 - made before anything is received
        now = time.time_ns() // 1_000_000
        try:
            for tag in self._reader.receive(data):
                self._source.buffer.append(tag, now)
        except (SourceEnded, MalformedChunk) as reason:
            log.info("source over: %s", reason)
            self._transport.abort()
            self._source.end()
            return
        if answer := self._reader.outgoing():
            self._transport.write(answer)
        if self._reader.is_playing:
            self._ready.set()
        self._source.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._source.end()


class SourceServer:
    """Every source of the node, by name. An ended one stays as long as its tags would have."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._sources: dict[str, Source] = {}
        self.http = SourceHttp(self._sources, parse_networks(settings.pull_allow))

    async def attach(self, name: str) -> None:
        """Returns once nginx plays `name` to us. Raises OSError, TimeoutError."""
        source = self._sources.get(name)
        if source is not None and not source.buffer.ended:
            return
        settings = self._settings
        source = Source(keep_ms=round(settings.source_buffer_seconds * 1000), max_size=settings.source_buffer_bytes)
        host, _, port = settings.rtmp_listen.rpartition(":")
        address = RtmpAddress(LOOPBACK if host == ANY_ADDRESS else host, int(port), APPLICATION, name)
        ready = asyncio.Event()
        transport, _ = await asyncio.wait_for(
            # Only 127.0.0.1 may play, also where nginx listens on another of this machine's addresses.
            asyncio.get_running_loop().create_connection(
                lambda: SourcePlayer(source, address, ready), address.host, address.port, local_addr=(LOOPBACK, 0)
            ),
            CONNECT_SECONDS,
        )
        self._sources[name] = source
        try:
            await asyncio.wait_for(ready.wait(), CONNECT_SECONDS)
        except TimeoutError:
            transport.abort()
            raise

    async def forget_ended(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for name, source in list(self._sources.items()):
                age = time.monotonic() - source.heard_at
                if source.buffer.ended and age > self._settings.source_buffer_seconds:
                    del self._sources[name]
                elif not source.buffer.next and age > NOTHING_SECONDS:
                    source.end()

    async def obey(self, lines: asyncio.StreamReader) -> None:
        """Until the node closes the pipe."""
        attaching: set[asyncio.Task[None]] = set()
        while line := await lines.readline():
            command, _, name = line.decode().strip().partition(" ")
            if command == "attach" and name:
                task = asyncio.create_task(self._attach_and_say(name))
                attaching.add(task)
                task.add_done_callback(attaching.discard)

    async def _attach_and_say(self, name: str) -> None:
        try:
            await self.attach(name)
        except (OSError, TimeoutError) as error:
            log.warning("cannot attach to nginx: %s", type(error).__name__)
            return
        _say(f"attached {name}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _serve(settings: SourceSettings) -> None:
    sources = SourceServer(settings)
    host, _, port = settings.pull_listen.rpartition(":")
    listening = await asyncio.start_server(sources.http.answer, host, int(port), backlog=256)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    forgetting = asyncio.create_task(sources.forget_ended())
    _say("ready")
    await sources.obey(lines)
    forgetting.cancel()
    listening.close()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    asyncio.run(_serve(load_settings(SourceSettings)))


if __name__ == "__main__":
    main()

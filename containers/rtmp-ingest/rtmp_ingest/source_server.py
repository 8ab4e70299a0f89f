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
from rtmp_ingest.rtmp_reader import RtmpAddress
from rtmp_ingest.settings import SourceSettings, parse_networks
from rtmp_ingest.source_http import Source, SourceHttp
from rtmp_ingest.source_player import LOOPBACK, keep_playing

APPLICATION = "live"
ANY_ADDRESS = str(IPv4Address(0))
ATTACH_SECONDS = 2.0
NOTHING_SECONDS = 40.0  # without anything from a publisher: nginx drops silent ones much sooner, so there is none
LOOK_SECONDS = 1.0
DRAIN_SECONDS = 0.7

log = logging.getLogger(__name__)


class SourceServer:
    """Every source of the node, by name. An ended one stays as long as its tags would have."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self.sources: dict[str, Source] = {}
        self._playing: set[asyncio.Task[None]] = set()
        self.http = SourceHttp(self.sources, parse_networks(settings.pull_allow))

    async def attach(self, name: str) -> None:
        """Returns once nginx plays `name` to us; it is tried further if that takes longer. Raises TimeoutError."""
        source = self.sources.get(name)
        if source is None or source.buffer.ended:
            source = self._begin(name)
        async with asyncio.timeout(ATTACH_SECONDS):
            await source.attached.wait()

    def _begin(self, name: str) -> Source:
        settings = self._settings
        source = Source(keep_ms=round(settings.source_buffer_seconds * 1000), max_size=settings.source_buffer_bytes)
        self.sources[name] = source
        self._share_memory()
        host, _, port = settings.rtmp_listen.rpartition(":")
        address = RtmpAddress(LOOPBACK if host == ANY_ADDRESS else host, int(port), APPLICATION, name)
        task = asyncio.create_task(keep_playing(source, address))
        self._playing.add(task)
        task.add_done_callback(self._playing.discard)
        return source

    def _share_memory(self) -> None:
        """What all buffers may take together is divided among the sources that there are."""
        settings = self._settings
        share = settings.source_buffers_bytes // max(1, len(self.sources))
        for source in self.sources.values():
            source.buffer.max_size = min(settings.source_buffer_bytes, share)

    async def finish(self) -> None:
        """Nothing more comes: let consumers have what they have not read yet."""
        for source in self.sources.values():
            source.end()
        await self.http.drain(DRAIN_SECONDS)

    async def forget_ended(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for name, source in list(self.sources.items()):
                age = time.monotonic() - source.heard_at
                if source.buffer.ended and age > self._settings.source_buffer_seconds:
                    del self.sources[name]
                    self._share_memory()
                elif age > NOTHING_SECONDS:
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
        except TimeoutError:
            log.warning("nginx does not play yet")
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
    await sources.finish()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    asyncio.run(_serve(load_settings(SourceSettings)))


if __name__ == "__main__":
    main()

"""Stage 1 · one connection to nginx, as a player of one stream: what it receives becomes the source's buffer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from headwater.media.flv import Tag
from rtmp_ingest.rtmp_chunks import MalformedChunk
from rtmp_ingest.rtmp_reader import RtmpAddress, RtmpReader, SourceEnded
from rtmp_ingest.source_http import Source

LOOPBACK = "127.0.0.1"
CONNECT_SECONDS = 2.0
PAUSE_SECONDS = 0.2

log = logging.getLogger(__name__)


async def keep_playing(source: Source, address: RtmpAddress) -> None:
    """Until the source is over. A connection that breaks is not the end: the publisher may know nothing of it."""
    while not source.buffer.ended:
        try:
            transport, player = await asyncio.wait_for(
                # Only 127.0.0.1 may play, also where nginx listens on another of this machine's addresses.
                asyncio.get_running_loop().create_connection(
                    lambda: SourcePlayer(source, address), address.host, address.port, local_addr=(LOOPBACK, 0)
                ),
                CONNECT_SECONDS,
            )
        except (OSError, TimeoutError) as error:
            log.warning("cannot reach nginx: %s", type(error).__name__)
        else:
            over = asyncio.ensure_future(source.over.wait())
            await asyncio.wait((over, player.lost), return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            transport.abort()
        if not source.buffer.ended:
            await asyncio.sleep(PAUSE_SECONDS)


class SourcePlayer(asyncio.Protocol):
    def __init__(self, source: Source, address: RtmpAddress) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._source = source
        self._reader = RtmpReader(address)
        self._transport: asyncio.Transport | None = None
        # Where another connection broke off, pictures are missing: those that refer to them cannot be decoded.
        self._waits_for_keyframe = source.attached.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP
        self._transport = transport
        transport.write(self._reader.outgoing())

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None  # noqa: S101 - made before anything is received
        try:
            self._source.add(self._decodable(self._reader.receive(data)))
        except SourceEnded as reason:
            log.info("source over: %s", reason)
            self._source.end()
        except MalformedChunk as reason:
            log.warning("nginx is not understood: %s", reason)
            self._transport.abort()
        if answer := self._reader.outgoing():
            self._transport.write(answer)
        if self._reader.is_playing:
            self._source.attached.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._source.buffer.ended:
            log.warning("connection to nginx lost: %s", "it was closed" if exc is None else type(exc).__name__)
        if not self.lost.done():
            self.lost.set_result(None)

    def _decodable(self, tags: Iterator[Tag]) -> Iterator[Tag]:
        for tag in tags:
            if tag.is_random_access:
                self._waits_for_keyframe = False
            if not (self._waits_for_keyframe and tag.is_video and not tag.is_sequence_header):
                yield tag

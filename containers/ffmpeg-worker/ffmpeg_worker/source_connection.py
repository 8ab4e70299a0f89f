"""Stage 4, in · the socket to the ingest node, and the next one when it breaks: frames of one source until it has ended."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator

from ffmpeg_worker.source_reader import SourceAddress, SourceBroken, SourceReader
from headwater.media.flv import Tag
from headwater.observability import count, logger

CONNECT_SECONDS = 1.0  # on one network; FFmpeg's pipes have to wait meanwhile
SILENCE_SECONDS = 10.0  # the node drops a silent publisher sooner: so it is the connection that is gone
AWAY_SECONDS = 10.0  # of a node that cannot be reached any more
_SOCKET_BYTES = 1 << 18


class SourceConnection:
    """Owned by one loop, whose selector it shares: it calls `keep` in every round, and `receive` when `socket` can be read."""

    def __init__(
        self, address: SourceAddress, from_ms: int | None, selector: selectors.BaseSelector, serial: int
    ) -> None:
        """Begins at `from_ms` of the publisher's clock, or with the oldest tag. `serial` is the publish session's."""
        self.socket: socket.socket | None = None
        self._address = address
        self._source = SourceReader(address, from_ms)
        self._selector = selector
        self._serial = serial
        self._heard_at = 0.0
        self._lost_at: float | None = None
        self._missed = 0

    @property
    def wall_offset_ms(self) -> int:
        """From the publisher's clock to the time at which the node received what came last."""
        return self._source.wall_offset_ms

    @property
    def cut_off_seconds(self) -> float:
        """How long the node could not be reached, after it could before. From any thread."""
        return 0.0 if (lost_at := self._lost_at) is None else time.monotonic() - lost_at

    def open(self) -> None:
        """Raises OSError."""
        connection = socket.create_connection((self._address.host, self._address.port), CONNECT_SECONDS)
        try:
            connection.sendall(self._source.request())
            connection.setblocking(False)
        except OSError:
            connection.close()
            raise
        self.socket = connection
        self._lost_at = None
        self._heard_at = time.monotonic()

    def close(self) -> None:
        connection, self.socket = self.socket, None
        if connection is not None:
            self._listen(connection, listen=False)
            connection.close()

    def keep(self, *, listen: bool) -> bool:
        """Connect again if that is needed, and listen or not; False when the node could not be reached for too long."""
        now = time.monotonic()
        if self.socket is None:
            away_since = self._heard_at
            try:
                self.open()
            except OSError:
                return now - away_since <= AWAY_SECONDS
            return True
        self._listen(self.socket, listen=listen)
        if not listen:
            self._heard_at = now  # it is us who do not listen
        elif now - self._heard_at > SILENCE_SECONDS:
            self._lose("silence")
        return True

    def receive(self) -> Iterator[Tag]:
        """What has come by now. Raises SourceEnded."""
        assert self.socket is not None  # noqa: S101 - it was it that could be read
        try:
            data = self.socket.recv(_SOCKET_BYTES)
            if not data:
                self._lose("closed")
                return
            self._heard_at = time.monotonic()
            yield from self._source.receive(data)
        except BlockingIOError:
            return
        except (SourceBroken, OSError) as reason:
            self._lose(str(reason))
        self._note_missed()

    def _listen(self, connection: socket.socket, *, listen: bool) -> None:
        listening = connection.fileno() in self._selector.get_map()
        if listen and not listening:
            self._selector.register(connection, selectors.EVENT_READ)
        elif listening and not listen:
            self._selector.unregister(connection)

    def _lose(self, reason: str) -> None:
        logger().warning("connection to the ingest node lost", extra={"session": self._serial, "reason": reason})
        self.close()
        self._heard_at = self._lost_at = time.monotonic()

    def _note_missed(self) -> None:
        if self._source.missed > self._missed:
            self._missed = self._source.missed
            count("SourceMissed")
            logger().warning(
                "the node no longer has what comes next", extra={"session": self._serial, "missed": self._missed}
            )

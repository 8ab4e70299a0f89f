"""A source for tests of the worker's reading side: serves given tags as fast as they are read, clock and all."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ffmpeg_worker.epoch_run import EpochMedia
from ffmpeg_worker.packager import PackagedSegment
from ffmpeg_worker.publish_session import PublishSessionReader, SessionEnd
from ffmpeg_worker.source_reader import SourceAddress
from headwater.media.flv import Tag, TagReader, file_header, tag_bytes
from headwater.media.source_mark import SourceMark


def recorded(folder: Path, *arguments: str) -> list[Tag]:
    """The tags of the FLV file that FFmpeg makes of `arguments`."""
    path = folder / "source.flv"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments, "-f", "flv", str(path)], check=True, timeout=60
    )
    return list(TagReader().feed(path.read_bytes()))


@contextmanager
def playing_node(
    tags: Iterable[Tag],
    *,
    hold: threading.Event | None = None,
    seconds: float = 0,
    breaks_after: int = 0,
    received_at: int = 0,
) -> Iterator[SourceAddress]:
    """Serves `tags` to everybody, evenly over `seconds`, then says that the source has ended (after `hold`, if given).

    Every connection but the last breaks off after `breaks_after` tags. `received_at` is what is said of the first one, in
    Unix ms.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        over = threading.Event()
        tags = list(tags)

        def serve() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    connection, _ = listening.accept()
                    connection.settimeout(20)
                    with connection, suppress(OSError):
                        _serve(connection, tags, hold, seconds, breaks_after, received_at)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield SourceAddress("127.0.0.1", listening.getsockname()[1], "/sources/name")
        finally:
            over.set()
            if hold:
                hold.set()
            thread.join()


def _serve(
    connection: socket.socket,
    tags: list[Tag],
    hold: threading.Event | None,
    seconds: float,
    breaks_after: int,
    received_at: int,
) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.sendall(chunk(file_header(video=True, audio=True)))
    asked = re.search(rb"from_tag=([0-9]+)", request)
    first = int(asked[1]) if asked else 0
    if tags[first:]:
        connection.sendall(chunk(tag_bytes(SourceMark(first, received_at).tag(tags[first].timestamp))))
    for number, tag in enumerate(tags[first:]):
        if breaks_after and number == breaks_after:
            return
        connection.sendall(chunk(tag_bytes(tag)))
        if seconds:
            time.sleep(seconds / len(tags))
    if hold:
        hold.wait(20)
    connection.sendall(b"0\r\n\r\n")


def chunk(data: bytes) -> bytes:
    """One chunk of an HTTP body (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class CollectingSink:
    """A `SegmentSink` that keeps everything, by epoch, and can act on each segment."""

    def __init__(self, on_segment: Callable[[int], None] = lambda count: None) -> None:
        self.epochs: list[tuple[EpochMedia, list[PackagedSegment]]] = []
        self.thumbnails: list[bytes] = []
        self._on_segment = on_segment

    def begin_epoch(self, media: EpochMedia) -> None:
        self._begun = media

    def add_segment(self, segment: PackagedSegment) -> None:
        if not self.epochs or self.epochs[-1][0] is not self._begun:
            self.epochs.append((self._begun, []))
        self.epochs[-1][1].append(segment)
        self._on_segment(sum(len(segments) for _, segments in self.epochs))

    def add_thumbnail(self, image: bytes) -> None:
        self.thumbnails.append(image)

    def media(self, epoch: int, track: str) -> bytes:
        """One track of an epoch as a playable file."""
        media, segments = self.epochs[epoch]
        return media.inits[track] + b"".join(segment.tracks[track].data for segment in segments)


def read_session(tags: Iterable[Tag], *, seconds: float = 0) -> CollectingSink:
    """What a publish session with these tags, played within `seconds`, becomes."""
    sink = CollectingSink()
    with playing_node(tags, seconds=seconds) as address:
        assert PublishSessionReader(address, 1, sink).run() is SessionEnd.SOURCE_GONE
    return sink

"""An ingest node for tests of the worker's reading side: plays given tags as fast as they are read, clock and all."""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ffmpeg_worker import amf0
from ffmpeg_worker.epoch_run import EpochMedia
from ffmpeg_worker.flv import Tag, TagKind
from ffmpeg_worker.packager import PackagedSegment
from ffmpeg_worker.publish_session import PublishSessionReader, SessionEnd
from ffmpeg_worker.rtmp_chunks import ChunkReader, RtmpMessage, write_message
from ffmpeg_worker.rtmp_reader import RtmpAddress

_CHUNK_SIZE = 60_000


def recorded(folder: Path, *arguments: str) -> list[Tag]:
    """The tags of the FLV file that FFmpeg makes of `arguments`."""
    path = folder / "source.flv"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments, "-f", "flv", str(path)], check=True, timeout=60
    )
    return list(flv_tags(path.read_bytes()))


def flv_tags(data: bytes) -> Iterator[Tag]:
    at = 13
    while at + 11 < len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        timestamp = int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24
        yield Tag(TagKind(data[at]), timestamp, data[at + 11 : at + 11 + size])
        at += 15 + size


@contextmanager
def playing_node(
    tags: Iterable[Tag], *, hold: threading.Event | None = None, seconds: float = 0
) -> Iterator[RtmpAddress]:
    """Plays `tags` to every player, evenly over `seconds`, then says that the publisher is gone (after `hold`, if given)."""
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
                        _play(connection, tags, hold, seconds)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield RtmpAddress("127.0.0.1", listening.getsockname()[1], "live", "name")
        finally:
            over.set()
            if hold:
                hold.set()
            thread.join()


def _play(connection: socket.socket, tags: list[Tag], hold: threading.Event | None, seconds: float) -> None:
    hello = _exactly(connection, 1537)
    connection.sendall(b"\x03" + bytes(1536) + hello[1:])
    _exactly(connection, 1536)
    reader, commands = ChunkReader(), 0
    connection.sendall(_message(1, struct.pack(">I", _CHUNK_SIZE), chunk_size=128))
    while commands < 3:
        for message in reader.feed(connection.recv(65536)):
            if message.type_id == 20:
                commands += 1
                name, transaction, *_ = amf0.decode_all(message.payload)
                if name != "play":
                    connection.sendall(_message(20, amf0.encode("_result", transaction, None, 1.0)))
    status: amf0.Amf0Value = {"level": "status", "code": "NetStream.Play.Start"}
    connection.sendall(_message(20, amf0.encode("onStatus", 0.0, None, status)))
    for tag in tags:
        connection.sendall(_message(tag.kind, tag.payload, tag.timestamp))
        if seconds:
            time.sleep(seconds / len(tags))
    if hold:
        hold.wait(20)
    status = {"level": "status", "code": "NetStream.Play.UnpublishNotify"}
    connection.sendall(_message(20, amf0.encode("onStatus", 0.0, None, status)))


def _message(type_id: int, payload: bytes, timestamp: int = 0, *, chunk_size: int = _CHUNK_SIZE) -> bytes:
    message = RtmpMessage(int(type_id), timestamp & 0xFFFFFFFF, 1, payload)
    return write_message(message, chunk_stream_id=6 if type_id == 9 else 4, chunk_size=chunk_size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data


class CollectingSink:
    """A `SegmentSink` that keeps everything, by epoch, and can act on each segment."""

    def __init__(self, on_segment: Callable[[int], None] = lambda count: None) -> None:
        self.epochs: list[tuple[EpochMedia, list[PackagedSegment]]] = []
        self.thumbnails: list[bytes] = []
        self._on_segment = on_segment

    def add_segment(self, epoch: EpochMedia, segment: PackagedSegment) -> None:
        if not self.epochs or self.epochs[-1][0] is not epoch:
            self.epochs.append((epoch, []))
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

"""A bare RTMP publisher for what FFmpeg and GStreamer will not send: enhanced-RTMP HEVC, or nothing at all.

Adobe's RTMP 1.0 specification (2012) for the protocol; Veovera's Enhanced RTMP v1 for the HEVC packets.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

_CHUNK = 4096
_COMMAND, _VIDEO, _SET_CHUNK_SIZE = 20, 9, 1


def _string(text: str) -> bytes:
    data = text.encode()
    return b"\x02" + struct.pack(">H", len(data)) + data


def _number(value: float) -> bytes:
    return b"\x00" + struct.pack(">d", value)


def _object(fields: dict[str, str]) -> bytes:
    body = b"".join(struct.pack(">H", len(name)) + name.encode() + _string(text) for name, text in fields.items())
    return b"\x03" + body + b"\x00\x00\x09"


class RtmpPublisher:
    """One RTMP connection that has asked to publish. Whether the server lets it is seen by `dropped()`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        app, _, name = parts.path.lstrip("/").partition("/")
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 1935), timeout=10)
        self._handshake()
        self._send(2, _SET_CHUNK_SIZE, 0, struct.pack(">I", _CHUNK))
        connect = {"app": app, "type": "nonprivate", "tcUrl": f"rtmp://{parts.netloc}/{app}"}
        self._send(3, _COMMAND, 0, _string("connect") + _number(1) + _object(connect))
        self._send(3, _COMMAND, 0, _string("createStream") + _number(2) + b"\x05")
        # nginx-rtmp numbers the first stream of a connection 1; its answers are not needed to go on.
        self._send(3, _COMMAND, 1, _string("publish") + _number(3) + b"\x05" + _string(name) + _string("live"))

    def _handshake(self) -> None:
        challenge = bytes(8) + os.urandom(1528)
        self._socket.sendall(b"\x03" + challenge)
        answer = b""
        while len(answer) < 1 + 2 * 1536:
            answer += self._socket.recv(65536)
        self._socket.sendall(answer[1:1537])

    def _send(self, chunk_stream: int, kind: int, stream: int, body: bytes, timestamp: int = 0) -> None:
        header = bytes([chunk_stream]) + struct.pack(">I", timestamp)[1:] + struct.pack(">I", len(body))[1:]
        chunks = [body[start : start + _CHUNK] for start in range(0, len(body), _CHUNK)]
        packet = header + bytes([kind]) + struct.pack("<I", stream) + bytes([0xC0 | chunk_stream]).join(chunks)
        self._socket.sendall(packet)

    def send_video(self, body: bytes, timestamp: int) -> None:
        self._send(6, _VIDEO, 1, body, timestamp)

    def dropped(self) -> bool:
        """Whether the server has closed the connection; reads and drops whatever else it says."""
        try:
            while select.select([self._socket], [], [], 0)[0]:
                if not self._socket.recv(65536):
                    return True
        except OSError:
            return True
        return False

    def close(self) -> None:
        self._socket.close()


@contextmanager
def silent_publisher(url: str) -> Iterator[RtmpPublisher]:
    """Connects, publishes, and never sends any media."""
    publisher = RtmpPublisher(url)
    try:
        yield publisher
    finally:
        publisher.close()


@contextmanager
def enhanced_hevc_publisher(url: str) -> Iterator[RtmpPublisher]:
    """Sends 30 enhanced-RTMP HEVC packets a second: a sequence header, then coded frames, a keyframe every second."""
    publisher = RtmpPublisher(url)
    stop = threading.Event()

    def feed() -> None:
        sequence_start, coded_frames, key, inter = 0, 1, 1, 2
        try:
            publisher.send_video(bytes([0x80 | key << 4 | sequence_start]) + b"hvc1" + bytes(40), 0)
            for frame in range(30 * 60):
                kind = key if frame % 30 == 0 else inter
                publisher.send_video(bytes([0x80 | kind << 4 | coded_frames]) + b"hvc1" + bytes(1200), frame * 33)
                if stop.wait(1 / 30):
                    return
        except OSError:
            return  # dropped by the server, as it should be

    feeding = threading.Thread(target=feed, name="hevc-publisher")
    feeding.start()
    try:
        yield publisher
    finally:
        stop.set()
        publisher.close()
        feeding.join()

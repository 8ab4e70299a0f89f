"""Stage 1 · plays one stream from the ingest node: RTMP bytes in, the publisher's audio, video and metadata out.

Sans-I/O: whoever owns the socket feeds what it received and sends what `outgoing` returns. That lets one loop watch the
socket and FFmpeg's pipes together, and lets tests speak the protocol without a network.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from urllib.parse import urlsplit

from headwater.media import amf0
from headwater.media.flv import Tag, TagKind
from rtmp_ingest.rtmp_chunks import SET_CHUNK_SIZE, ChunkReader, MalformedChunk, RtmpMessage, write_message

_HANDSHAKE_BYTES = 1536
_VERSION = 3
_OUR_CHUNK_SIZE = 4096
_CONTROL, _COMMAND, _PLAY = 2, 3, 8  # chunk stream ids
_BUFFER_MS = 1000
_BEGUN = "NetStream.Play.Start"
_OVER = frozenset({"NetStream.Play.UnpublishNotify", "NetStream.Play.Stop", "NetStream.Play.Complete"})
_WAITING = frozenset({"NetStream.Play.StreamNotFound", "NetStream.Play.Failed"})


class _MessageType(IntEnum):
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_ACKNOWLEDGEMENT_SIZE = 5
    AUDIO = 8
    VIDEO = 9
    DATA = 18
    COMMAND = 20


class _UserControl(IntEnum):
    STREAM_EOF = 1
    SET_BUFFER_LENGTH = 3
    PING_REQUEST = 6
    PING_RESPONSE = 7


class SourceEnded(Exception):
    """The node says that the publisher is gone, or that there is none."""


@dataclass(frozen=True, slots=True)
class RtmpAddress:
    host: str
    port: int
    app: str
    name: str

    @classmethod
    def parse(cls, url: str) -> RtmpAddress:
        """`rtmp://host[:port]/app/name`. Raises ValueError for anything else, without repeating the URL."""
        parts = urlsplit(url)
        app, _, name = parts.path.lstrip("/").partition("/")
        if parts.scheme != "rtmp" or not parts.hostname or not app or not name:
            raise ValueError("not an rtmp:// URL with an application and a stream name")
        return cls(parts.hostname, parts.port or 1935, app, name)


class RtmpReader:
    """The client's side of handshake, connect, createStream and play; then tags until the stream is over."""

    def __init__(self, address: RtmpAddress) -> None:
        self._address = address
        self._handshake: bytearray | None = bytearray()
        self._chunks = ChunkReader()
        self._received = 0
        self._acknowledged = 0
        self._window = 0
        self.is_playing = False  # the node sends all that is published from now on
        # C0 and C1: version, time 0, zero, random.
        self._out = bytearray(bytes([_VERSION]) + bytes(8) + os.urandom(_HANDSHAKE_BYTES - 8))

    def outgoing(self) -> bytes:
        """What to send now; each byte is returned once."""
        data, self._out = bytes(self._out), bytearray()
        return data

    def receive(self, data: bytes) -> Iterator[Tag]:
        """The tags that `data` completes. Raises SourceEnded, and MalformedChunk when the peer does not speak RTMP."""
        self._received += len(data)
        if self._handshake is not None:
            self._handshake += data
            if len(self._handshake) < 1 + 2 * _HANDSHAKE_BYTES:
                return
            if self._handshake[0] != _VERSION:
                raise MalformedChunk(f"RTMP version {self._handshake[0]}")
            data = bytes(self._handshake[1 + 2 * _HANDSHAKE_BYTES :])
            self._out += self._handshake[1 : 1 + _HANDSHAKE_BYTES]  # C2 echoes S1
            self._handshake = None
            self._connect()
        for message in self._chunks.feed(data):
            tag = self._understand(message)
            if tag is not None:
                yield tag
        if self._window and self._received - self._acknowledged >= self._window // 2:
            self._acknowledged = self._received
            self._send(_MessageType.ACKNOWLEDGEMENT, struct.pack(">I", self._received & 0xFFFFFFFF))

    def _understand(self, message: RtmpMessage) -> Tag | None:
        match message.type_id:
            case _MessageType.AUDIO | _MessageType.VIDEO:
                if message.payload:
                    return Tag(TagKind(message.type_id), message.timestamp, message.payload)
            case _MessageType.DATA:
                return Tag(TagKind.DATA, message.timestamp, message.payload)
            case _MessageType.COMMAND:
                self._answer(message.payload)
            case _MessageType.WINDOW_ACKNOWLEDGEMENT_SIZE:
                self._window = int.from_bytes(message.payload[:4], "big")
            case _MessageType.USER_CONTROL:
                event = int.from_bytes(message.payload[:2], "big")
                if event == _UserControl.PING_REQUEST:
                    pong = struct.pack(">H", _UserControl.PING_RESPONSE) + message.payload[2:6]
                    self._send(_MessageType.USER_CONTROL, pong)
                elif event == _UserControl.STREAM_EOF:
                    raise SourceEnded("the node announced the end of the stream")
        return None

    def _connect(self) -> None:
        address = self._address
        url = f"rtmp://{address.host}:{address.port}/{address.app}"
        self._send(SET_CHUNK_SIZE, struct.pack(">I", _OUR_CHUNK_SIZE))
        # "LNX …": servers look at flashVer; anything that names a player will do.
        options: amf0.Amf0Value = {"app": address.app, "flashVer": "LNX 9,0,124,2", "tcUrl": url, "fpad": False}
        self._command("connect", 1.0, options)

    def _answer(self, payload: bytes) -> None:
        try:
            name, transaction, *arguments = amf0.decode_all(payload)
        except (amf0.MalformedAmf0, ValueError) as error:
            raise MalformedChunk(f"command: {error}") from error
        if name == "_result" and transaction == 1.0:
            self._command("createStream", 2.0, None)
        elif name == "_result" and transaction == 2.0:
            stream_id = int(arguments[1]) if len(arguments) > 1 and isinstance(arguments[1], float) else 1
            play = amf0.encode("play", 3.0, None, self._address.name, -1.0)  # -1: live only, never a recording
            self._send(_MessageType.COMMAND, play, chunk_stream_id=_PLAY, stream_id=stream_id)
            length = struct.pack(">HII", _UserControl.SET_BUFFER_LENGTH, stream_id, _BUFFER_MS)
            self._send(_MessageType.USER_CONTROL, length)
        elif name == "_error":
            raise SourceEnded("the node refused the command")
        elif name == "onStatus":
            status = arguments[1] if len(arguments) > 1 else None
            code = status.get("code") if isinstance(status, dict) else None
            if code == _BEGUN:
                self.is_playing = True
            if code in _OVER or code in _WAITING:
                raise SourceEnded(str(code))

    def _command(self, name: str, transaction: float, argument: amf0.Amf0Value) -> None:
        self._send(_MessageType.COMMAND, amf0.encode(name, transaction, argument), chunk_stream_id=_COMMAND)

    def _send(self, type_id: int, payload: bytes, *, chunk_stream_id: int = _CONTROL, stream_id: int = 0) -> None:
        message = RtmpMessage(type_id, 0, stream_id, payload)
        self._out += write_message(message, chunk_stream_id=chunk_stream_id, chunk_size=_OUR_CHUNK_SIZE)

"""Stage 1 · the RTMP chunk stream: messages cut into chunks and put together again (RTMP 1.0, section 5.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

_EXTENDED = 0xFFFFFF  # a 24-bit timestamp with this value is followed by 32 bits that hold the real one
_HEADER_SIZES = (11, 7, 3, 0)
SET_CHUNK_SIZE = 1
ABORT = 2
MAX_MESSAGE_BYTES = 8 * 1024 * 1024  # one video frame; more than any encoder sends, less than would hurt


class MalformedChunk(ValueError):
    """The peer does not speak RTMP as we understand it. The connection cannot be resumed."""


@dataclass(frozen=True, slots=True)
class RtmpMessage:
    type_id: int
    timestamp: int  # ms, 32 bits unsigned
    stream_id: int
    payload: bytes


@dataclass(slots=True)
class _ChunkStream:
    timestamp: int = 0
    delta: int = 0
    extended: bool = False
    length: int = 0
    type_id: int = 0
    stream_id: int = 0
    body: bytearray = field(default_factory=bytearray)
    begun: bool = False


class ChunkReader:
    """Bytes in, messages out. Obeys Set Chunk Size and Abort by itself."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._offset = 0
        self._chunk_size = 128
        self._streams: dict[int, _ChunkStream] = {}

    def feed(self, data: bytes) -> Iterator[RtmpMessage]:
        """Every message completed by `data`. Raises MalformedChunk."""
        self._buffer += data
        while (complete := self._next_chunk()) is not None:
            message = complete
            if message is _INCOMPLETE:
                continue
            if message.type_id == SET_CHUNK_SIZE and len(message.payload) >= 4:
                self._chunk_size = int.from_bytes(message.payload[:4], "big") & 0x7FFFFFFF
                if self._chunk_size == 0:
                    raise MalformedChunk("chunk size 0")
            elif message.type_id == ABORT and len(message.payload) >= 4:
                self._streams.pop(int.from_bytes(message.payload[:4], "big"), None)
            yield message
        del self._buffer[: self._offset]
        self._offset = 0

    def _next_chunk(self) -> RtmpMessage | None:
        """Consume one whole chunk: the message it completes, `_INCOMPLETE`, or None when more bytes are needed."""
        buffer, at = self._buffer, self._offset
        available = len(buffer)
        if at >= available:
            return None
        header_format, chunk_stream_id = buffer[at] >> 6, buffer[at] & 0x3F
        at += 1
        if chunk_stream_id < 2:
            extra = chunk_stream_id + 1
            if at + extra > available:
                return None
            chunk_stream_id = 64 + int.from_bytes(buffer[at : at + extra], "little")
            at += extra
        header_end = at + _HEADER_SIZES[header_format]
        if header_end > available:
            return None
        stream = self._streams.get(chunk_stream_id) or _ChunkStream()
        if header_format == 3 and not stream.begun:
            raise MalformedChunk("a continuation of nothing")

        short_time = int.from_bytes(buffer[at : at + 3], "big") if header_format < 3 else 0
        extended = short_time == _EXTENDED if header_format < 3 else stream.extended
        length = int.from_bytes(buffer[at + 3 : at + 6], "big") if header_format < 2 else stream.length
        if length > MAX_MESSAGE_BYTES:
            raise MalformedChunk(f"a message of {length} bytes")
        payload_at = header_end
        time_field = short_time
        if extended:  # repeated in every continuation, contrary to the letter of the specification
            payload_at += 4
            if payload_at > available:
                return None
            time_field = int.from_bytes(buffer[header_end:payload_at], "big")
        begins = not stream.body
        size = min(self._chunk_size, length if header_format < 2 else length - len(stream.body))
        if payload_at + size > available:
            return None

        self._streams[chunk_stream_id] = stream
        stream.begun = True
        if header_format < 3:
            stream.body.clear()  # a new header in the middle of a message gives that message up
            stream.extended = extended
            stream.length = length
            if header_format < 2:
                stream.type_id = buffer[at + 6]
            if header_format == 0:
                stream.stream_id = int.from_bytes(buffer[at + 7 : at + 11], "little")
                stream.timestamp = time_field
            else:
                stream.timestamp = (stream.timestamp + time_field) & 0xFFFFFFFF
            stream.delta = time_field
        elif begins:
            stream.timestamp = (stream.timestamp + stream.delta) & 0xFFFFFFFF
        stream.body += buffer[payload_at : payload_at + size]
        self._offset = payload_at + size
        if len(stream.body) < stream.length:
            return _INCOMPLETE
        message = RtmpMessage(stream.type_id, stream.timestamp, stream.stream_id, bytes(stream.body))
        stream.body = bytearray()
        return message


_INCOMPLETE = RtmpMessage(-1, 0, 0, b"")


def write_message(message: RtmpMessage, *, chunk_stream_id: int, chunk_size: int) -> bytes:
    """`message` with a full header, in chunks of at most `chunk_size` bytes."""
    time_field = min(message.timestamp, _EXTENDED)
    extended = struct.pack(">I", message.timestamp) if time_field == _EXTENDED else b""
    first = (
        bytes([chunk_stream_id])
        + time_field.to_bytes(3, "big")
        + len(message.payload).to_bytes(3, "big")
        + bytes([message.type_id])
        + struct.pack("<I", message.stream_id)
        + extended
    )
    following = bytes([0xC0 | chunk_stream_id]) + extended
    parts = [first, message.payload[:chunk_size]]
    for start in range(chunk_size, len(message.payload), chunk_size):
        parts += [following, message.payload[start : start + chunk_size]]
    return b"".join(parts)

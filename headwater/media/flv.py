"""Stages 1 and 4 · what an RTMP audio or video payload is (FLV 10.1, annex E; enhanced RTMP v1), and tags as FLV bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

AVC = 7
AAC = 10
MP3 = 2
_KEY_FRAME = 1
_EX_VIDEO_HEADER = 0x80
_EX_AUDIO_HEADER = 9
_SEQUENCE_HEADER, _CODED_FRAMES = 0, 1
_HALF_WRAP = 1 << 30
_FILE_HEADER_BYTES, _TAG_HEADER_BYTES, _TAG_TRAILER_BYTES = 13, 11, 4


class TagKind(IntEnum):
    AUDIO = 8
    VIDEO = 9
    DATA = 18


@dataclass(frozen=True, slots=True)
class Tag:
    """One RTMP message of media. `timestamp` is the publisher's clock in ms: of decoding, for video."""

    kind: TagKind
    timestamp: int
    payload: bytes

    @property
    def is_video(self) -> bool:
        return self.kind is TagKind.VIDEO

    @property
    def is_audio(self) -> bool:
        return self.kind is TagKind.AUDIO

    @property
    def is_enhanced(self) -> bool:
        """Whether the codec is named by a FourCC: enhanced RTMP."""
        if not self.payload:
            return False
        first = self.payload[0]
        return bool(first & _EX_VIDEO_HEADER) if self.is_video else self.is_audio and first >> 4 == _EX_AUDIO_HEADER

    @property
    def video_codec(self) -> str:
        """`avc`, the FourCC of an enhanced RTMP header, or `codec-N` for one of FLV's others."""
        first = self.payload[0]
        if first & _EX_VIDEO_HEADER:
            return self.payload[1:5].decode("ascii", "replace")
        return "avc" if first & 0x0F == AVC else f"codec-{first & 0x0F}"

    @property
    def audio_codec(self) -> str:
        """`aac`, `mp3`, the FourCC of an enhanced RTMP header, or `codec-N`."""
        number = self.payload[0] >> 4
        if number == _EX_AUDIO_HEADER:
            return self.payload[1:5].decode("ascii", "replace")
        return {AAC: "aac", MP3: "mp3"}.get(number, f"codec-{number}")

    @property
    def is_sequence_header(self) -> bool:
        """Whether this carries the decoder's configuration instead of media."""
        if len(self.payload) < 2:
            return False
        if self.is_enhanced:
            return self.payload[0] & 0x0F == _SEQUENCE_HEADER
        if self.is_video:
            return self.video_codec == "avc" and self.payload[1] == _SEQUENCE_HEADER
        return self.is_audio and self.audio_codec == "aac" and self.payload[1] == _SEQUENCE_HEADER

    @property
    def is_media(self) -> bool:
        """Whether this is a frame of H.264, AAC or MP3, and neither configuration nor an end mark."""
        if self.is_video:
            return len(self.payload) > 5 and self.video_codec == "avc" and self.payload[1] == _CODED_FRAMES
        if not self.is_audio:
            return False
        return self.audio_codec == "mp3" or (
            self.audio_codec == "aac" and len(self.payload) > 2 and self.payload[1] == _CODED_FRAMES
        )

    @property
    def is_keyframe(self) -> bool:
        return self.is_video and self.payload[0] >> 4 & 0x07 == _KEY_FRAME and self.is_media

    @property
    def is_random_access(self) -> bool:
        """Whether decoding can begin here, whatever the codec is: a keyframe that is not mere configuration."""
        if not self.is_video or not self.payload or self.is_sequence_header:
            return False
        return self.payload[0] >> 4 & 0x07 == _KEY_FRAME

    @property
    def composition_offset(self) -> int:
        """Milliseconds from decoding to presentation; only for H.264 frames."""
        raw = int.from_bytes(self.payload[2:5], "big")
        return raw - 0x1000000 if raw & 0x800000 else raw

    @property
    def presentation_time(self) -> int:
        return self.timestamp + (self.composition_offset if self.is_video else 0)


def at_time(tag: Tag, timestamp: int) -> Tag:
    """The same payload at another time: a decoder's configuration comes just before the first frame it is for."""
    return Tag(tag.kind, timestamp, tag.payload)


def unwrapped(tag: Tag, near: int) -> Tag:
    """`tag` of an FFmpeg, which writes 31 bits of its timestamp, at the one of its possible times that is nearest to `near`."""
    return at_time(tag, near + (tag.timestamp - near + _HALF_WRAP) % (2 * _HALF_WRAP) - _HALF_WRAP)


class MalformedFlv(ValueError):
    """The bytes are not FLV."""


class TagReader:
    """FLV bytes in, cut anywhere; tags out."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._header_left = _FILE_HEADER_BYTES

    def feed(self, data: bytes) -> Iterator[Tag]:
        """Every tag that `data` completes. Raises MalformedFlv."""
        buffer = self._buffer
        buffer += data
        at = self._header_left
        if at:
            if len(buffer) < at:
                return
            if not buffer.startswith(b"FLV\x01"):
                raise MalformedFlv("no FLV header")
            self._header_left = 0
        try:
            while len(buffer) - at >= _TAG_HEADER_BYTES:
                size = int.from_bytes(buffer[at + 1 : at + 4], "big")
                end = at + _TAG_HEADER_BYTES + size + _TAG_TRAILER_BYTES
                if len(buffer) < end:
                    return
                timestamp = int.from_bytes(buffer[at + 4 : at + 7], "big") | buffer[at + 7] << 24
                payload = bytes(buffer[at + _TAG_HEADER_BYTES : end - _TAG_TRAILER_BYTES])
                try:
                    kind = TagKind(buffer[at])
                except ValueError:
                    raise MalformedFlv("a tag of no known kind") from None
                at = end
                yield Tag(kind, timestamp, payload)
        finally:
            del buffer[:at]


def file_header(*, video: bool, audio: bool) -> bytes:
    """An FLV header that announces exactly these streams: FFmpeg stops looking for others once it has seen them."""
    return b"FLV\x01" + bytes([(4 if audio else 0) | (1 if video else 0)]) + struct.pack(">II", 9, 0)


def tag_bytes(tag: Tag) -> bytes:
    """`tag` as it stands in an FLV file, with the size that follows it."""
    timestamp = tag.timestamp & 0xFFFFFFFF
    head = (
        bytes([tag.kind])
        + len(tag.payload).to_bytes(3, "big")
        + (timestamp & 0xFFFFFF).to_bytes(3, "big")
        + bytes([timestamp >> 24, 0, 0, 0])
    )
    return head + tag.payload + struct.pack(">I", len(tag.payload) + 11)

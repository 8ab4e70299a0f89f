"""Stages 1 and 4 · AMF0, as much of it as RTMP commands and onMetaData use (Action Message Format 0, Adobe 2007)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum

Amf0Value = float | bool | str | None | Mapping[str, "Amf0Value"] | list["Amf0Value"]


class _Type(IntEnum):
    NUMBER = 0x00
    BOOLEAN = 0x01
    STRING = 0x02
    OBJECT = 0x03
    NULL = 0x05
    UNDEFINED = 0x06
    ECMA_ARRAY = 0x08
    OBJECT_END = 0x09
    STRICT_ARRAY = 0x0A
    DATE = 0x0B
    LONG_STRING = 0x0C


_MAX_DEPTH = 8  # a publisher's metadata is passed on to us verbatim: bound what it can make us do


class MalformedAmf0(ValueError):
    """The bytes are not AMF0, or use a type that has no business in RTMP."""


def encode(*values: Amf0Value) -> bytes:
    return b"".join(_encode_one(value) for value in values)


def _encode_one(value: Amf0Value) -> bytes:
    match value:
        case None:
            return bytes([_Type.NULL])
        case bool():
            return bytes([_Type.BOOLEAN, value])
        case int() | float():
            return struct.pack(">Bd", _Type.NUMBER, value)
        case str():
            return bytes([_Type.STRING]) + _encode_name(value)
        case Mapping():
            pairs = b"".join(_encode_name(name) + _encode_one(member) for name, member in value.items())
            return bytes([_Type.OBJECT]) + pairs + bytes([0, 0, _Type.OBJECT_END])
        case list():
            return struct.pack(">BI", _Type.STRICT_ARRAY, len(value)) + encode(*value)


def _encode_name(name: str) -> bytes:
    raw = name.encode()
    return struct.pack(">H", len(raw)) + raw


def decode_all(data: bytes) -> list[Amf0Value]:
    """Every value in `data`, in order. Raises MalformedAmf0."""
    reader = _Reader(data)
    values: list[Amf0Value] = []
    try:
        while reader.offset < len(data):
            values.append(reader.value(0))
    except (struct.error, IndexError) as error:
        raise MalformedAmf0(f"truncated at byte {reader.offset}") from error
    return values


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.offset = 0

    def value(self, depth: int) -> Amf0Value:
        if depth > _MAX_DEPTH:
            raise MalformedAmf0("nested too deeply")
        marker = self._take(1)[0]
        match marker:
            case _Type.NUMBER:
                return self._number()
            case _Type.BOOLEAN:
                return self._take(1)[0] != 0
            case _Type.STRING:
                return self._text(self._unsigned(2))
            case _Type.OBJECT:
                return self._members(depth)
            case _Type.NULL | _Type.UNDEFINED:
                return None
            case _Type.ECMA_ARRAY:
                self._take(4)  # a count that encoders get wrong; the end marker is what counts
                return self._members(depth)
            case _Type.STRICT_ARRAY:
                return [self.value(depth + 1) for _ in range(min(self._unsigned(4), len(self._data)))]
            case _Type.DATE:
                milliseconds = self._number()
                self._take(2)
                return milliseconds
            case _Type.LONG_STRING:
                return self._text(self._unsigned(4))
        raise MalformedAmf0(f"type {marker:#04x}")

    def _members(self, depth: int) -> dict[str, Amf0Value]:
        members: dict[str, Amf0Value] = {}
        while True:
            name = self._text(self._unsigned(2))
            if not name and self._data[self.offset] == _Type.OBJECT_END:
                self.offset += 1
                return members
            members[name] = self.value(depth + 1)

    def _number(self) -> float:
        return float(struct.unpack(">d", self._take(8))[0])

    def _unsigned(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def _text(self, size: int) -> str:
        return self._take(size).decode(errors="replace")

    def _take(self, size: int) -> bytes:
        end = self.offset + size
        if end > len(self._data):
            raise IndexError(size)
        taken = self._data[self.offset : end]
        self.offset = end
        return taken

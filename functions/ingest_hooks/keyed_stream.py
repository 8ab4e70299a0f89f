"""Stage 2 · the stream that a key belongs to: one read, the same work for a right key, a wrong one and no key at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from headwater.domain.broadcast import StreamControl
from headwater.domain.ids import StreamId
from headwater.domain.stream_key import stream_id_of_key, stream_key_matches

_NO_STREAM = StreamId("0" * 22)  # has the form of an id, and is nobody's: created in 1970


class StreamReader(Protocol):
    def read(self, stream_id: StreamId) -> StreamControl | None: ...


@dataclass(frozen=True, slots=True)
class KeyedStream:
    """`key_version` is the version that the key is of: the current one, or None for every other key."""

    control: StreamControl
    key_version: int | None


def find_keyed_stream(streams: StreamReader, key: str, secret: bytes) -> KeyedStream | None:
    """The stream that `key` names, or None when it names none. Neither the answer's time nor its form tells them apart."""
    stream_id = stream_id_of_key(key) or _NO_STREAM
    control = streams.read(stream_id)
    version = control.key_version if control else 1
    matches = stream_key_matches(key, secret, stream_id, version)
    if control is None:
        return None
    return KeyedStream(control, version if matches else None)

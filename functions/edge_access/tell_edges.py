"""Stage 6 · tell the CDN's edges who may watch what of a stream, as its hot state has it by now."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from headwater.domain.broadcast import StreamControl
from headwater.domain.edge_entries import edge_entries, listed_characters
from headwater.domain.ids import StreamId
from headwater.errors import StateContended
from headwater.observability import count, logger

AT_ONCE = 50  # keys that one write takes
ATTEMPTS = 5


class Controls(Protocol):
    def load(self, stream_id: StreamId) -> StreamControl | None: ...

    def every(self) -> Iterator[StreamId]: ...


class Store(Protocol):
    def version(self) -> str:
        """Changes with every write, whoever's it is."""

    def get(self, key: str) -> str | None: ...

    def update(self, version: str, puts: Mapping[str, str], deletes: frozenset[str]) -> int:
        """All or nothing, if the store is still of this version; raises StateContended if not. How many bytes it holds."""


class TellEdges:
    def __init__(self, controls: Controls, store: Store) -> None:
        self._controls = controls
        self._store = store

    def __call__(self, stream_id: StreamId) -> None:
        """Once or often, late or unordered. Raises StateContended or DependencyUnavailable; then call it again."""
        # In this order: what is read afterwards is at least as new as whatever another teller has written by then.
        version = self._store.version()
        known = self._store.get(stream_id)
        wanted = {
            f"{stream_id}{suffix}": value for suffix, value in edge_entries(self._controls.load(stream_id)).items()
        }
        outdated = {f"{stream_id}/{character}" for character in listed_characters(known)}
        outdated |= {stream_id} if known is not None else set()
        deletes = frozenset(outdated - wanted.keys())
        if not wanted and not deletes:
            return
        stored = self._write(version, wanted, deletes)
        logger().info("edges told", extra={"stream_id": stream_id, "values": len(wanted), "bytes": stored})

    def tell_all(self) -> int:
        """What a store that was just made has to hold before anybody asks it; how many streams are not simply open."""
        told = 0
        streams = self._controls.every()
        while chunk := list(itertools.islice(streams, AT_ONCE)):
            told += self._tell_chunk(chunk)
        return told

    def _tell_chunk(self, stream_ids: Sequence[StreamId]) -> int:
        for _ in range(ATTEMPTS):
            version = self._store.version()
            entries = {each: edge_entries(self._controls.load(each)) for each in stream_ids}
            puts = {f"{each}{suffix}": value for each, values in entries.items() for suffix, value in values.items()}
            if len(puts) > AT_ONCE:  # one stream alone has 33 at most
                half = len(stream_ids) // 2
                return self._tell_chunk(stream_ids[:half]) + self._tell_chunk(stream_ids[half:])
            try:
                if puts:
                    self._write(version, puts, frozenset())
            except StateContended:
                continue
            return sum(1 for values in entries.values() if values)
        raise StateContended

    def _write(self, version: str, puts: Mapping[str, str], deletes: frozenset[str]) -> int:
        stored = self._store.update(version, puts, deletes)
        count("EdgeStoreBytes", stored)  # how full it is: an alarm watches that
        return stored

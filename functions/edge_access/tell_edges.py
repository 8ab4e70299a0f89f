"""Stage 6 · tell the CDN's edges who may watch what of a stream, as its hot state has it by now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from headwater.domain.broadcast import StreamControl
from headwater.domain.edge_entries import edge_entries, listed_characters
from headwater.domain.ids import StreamId
from headwater.observability import count, logger


class Controls(Protocol):
    def load(self, stream_id: StreamId) -> StreamControl | None: ...


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
        stored = self._store.update(version, wanted, deletes)
        count("EdgeStoreBytes", stored)  # of 5 MB; the alarm's business
        logger().info("edges told", extra={"stream_id": stream_id, "values": len(wanted), "bytes": stored})

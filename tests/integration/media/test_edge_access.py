"""What the CDN's edges are told: the whole of a stream's entry, however often, late and unordered the news is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from functions.edge_access import handler as edge_access
from functions.edge_access import tell_edges
from functions.edge_access.tell_edges import TellEdges
from headwater.adapters.stream_controls import StreamControls
from headwater.contracts import STREAM_EVENT_SOURCE, StreamChanged, encode
from headwater.domain.broadcast import StreamControl, StreamEventName, StreamSettings
from headwater.domain.edge_entries import edge_entries
from headwater.domain.ids import BroadcastId, StreamId, new_id
from headwater.errors import DependencyUnavailable, StateContended
from tests.aws import STREAM_TABLE, Account
from tests.factories import NOW, stream_control

STREAM = StreamId("0123456789abcdefghjkmn")


class MemoryStore:
    """The store, strict: what is deleted has to be there. `meanwhile` is written by somebody else before the next write."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.writes = 0
        self.meanwhile = 0

    def version(self) -> str:
        return str(self.writes)

    def get(self, key: str) -> str | None:
        return self.values.get(key)

    def update(self, version: str, puts: Mapping[str, str], deletes: frozenset[str]) -> int:
        if self.meanwhile:
            self.meanwhile -= 1
            self.writes += 1
        if version != str(self.writes):
            raise StateContended
        assert deletes <= self.values.keys()
        assert len(puts) + len(deletes) <= 50
        self.values = {key: value for key, value in self.values.items() if key not in deletes} | dict(puts)
        self.writes += 1
        return sum(len(key) + len(value) for key, value in self.values.items())


class Controls:
    def __init__(self, control: StreamControl | None) -> None:
        self.control = control

    def load(self, stream_id: StreamId) -> StreamControl | None:
        return self.control

    def every(self) -> Iterator[StreamId]:
        return iter(() if self.control is None else (self.control.stream_id,))


def entry(control: StreamControl | None) -> dict[str, str]:
    return {f"{STREAM}{suffix}": value for suffix, value in edge_entries(control).items()}


def test_the_store_holds_what_is_true_by_now_and_nothing_else() -> None:
    withheld = tuple(BroadcastId(new_id()) for _ in range(60))
    open_one = stream_control(stream_id=STREAM)
    controls, store = Controls(open_one), MemoryStore()
    tell = TellEdges(controls, store)
    tell(STREAM)
    assert (store.values, store.writes) == ({}, 0), "a stream that is open costs no write"
    for control in (
        replace(open_one, settings=StreamSettings(private=True)),
        replace(open_one, withheld=withheld),
        replace(open_one, withheld=withheld[:1]),
        open_one,
        replace(open_one, settings=StreamSettings(auto_start=False)),
        replace(open_one, deleted=True),
        None,
    ):
        controls.control = control
        tell(STREAM)
        tell(STREAM)
        assert store.values == entry(control)


def test_how_full_the_store_is_is_told_whenever_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, float]] = []
    monkeypatch.setattr(tell_edges, "count", lambda name, value: told.append((name, value)))
    private, store = stream_control(stream_id=STREAM, settings=StreamSettings(private=True)), MemoryStore()
    tell = TellEdges(Controls(private), store)
    for change in (lambda: tell(STREAM), tell.tell_all):
        change()
        assert told.pop() == ("EdgeStoreBytes", sum(len(key) + len(value) for key, value in store.values.items()))


def test_who_is_overtaken_by_another_writer_asks_to_be_called_again() -> None:
    controls, store = Controls(stream_control(stream_id=STREAM, settings=StreamSettings(private=True))), MemoryStore()
    store.meanwhile = 1
    tell = TellEdges(controls, store)
    with pytest.raises(StateContended):
        tell(STREAM)
    assert store.values == {}
    tell(STREAM)
    assert store.values == entry(controls.control)


def news(stream_id: StreamId) -> str:
    changed = StreamChanged(name=StreamEventName.AUDIENCE_CHANGED, stream_id=stream_id, occurred_at=NOW)
    return json.dumps({"source": STREAM_EVENT_SOURCE, "detail": json.loads(encode(changed))})


def test_what_could_not_be_told_comes_again_and_the_rest_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[StreamId] = []

    def tell(stream_id: StreamId) -> None:
        if stream_id == STREAM:
            raise DependencyUnavailable
        told.append(stream_id)

    monkeypatch.setattr(edge_access, "tell_edges", lambda: tell)
    monkeypatch.setattr(edge_access, "deliver_again", lambda event, failed: {"again": list(failed)})
    other = StreamId(new_id())
    records = [
        {"messageId": name, "body": body} for name, body in (("a", news(STREAM)), ("b", news(other)), ("c", "{"))
    ]
    assert edge_access.handler({"Records": records}, None) == {"again": ["a", "c"]}
    assert told == [other]


def test_a_new_store_hears_of_every_stream_before_anybody_asks_it(account: Account) -> None:
    controls = StreamControls(STREAM_TABLE)
    known: dict[str, str] = {}
    for number in range(60):
        settings = StreamSettings(private=number % 2 == 0, auto_start=number % 3 != 0)
        control = stream_control(settings=settings, withheld=(BroadcastId(new_id()),) if number % 5 == 0 else ())
        assert controls.create(control)
        known |= {f"{control.stream_id}{suffix}": value for suffix, value in edge_entries(control).items()}
    store = MemoryStore()
    store.meanwhile = 1
    TellEdges(controls, store).tell_all()
    assert store.values == known

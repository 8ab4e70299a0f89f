"""The purge removes all that a deleted stream or recording left, however often it is cut off, and nothing of anybody else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pytest

from functions.stream_purge.purge import Purge, Unfinished
from headwater.contracts import StreamChanged
from headwater.domain.broadcast import StreamControl, StreamEventName
from headwater.domain.broadcast_events import Delete, DeleteRecording, Finalised, MediaSeen, Stop
from headwater.domain.ids import BroadcastId, StreamId, new_id
from headwater.errors import DependencyUnavailable
from tests.factories import NOW, publish, stream_control
from tests.fakes import memory_broadcasts

OTHER = StreamId(new_id())


class Stores:
    """A bucket, a timeline table and what rooms must not forget. `fails_at`: so many deletions succeed before one does not."""

    def __init__(self, controls: dict[StreamId, StreamControl]) -> None:
        self.controls = controls
        self.keys: set[str] = set()
        self.rows: set[str] = set()
        self.rooms: set[StreamId] = set()
        self.fails_at: int | None = None

    def load(self, stream_id: StreamId) -> StreamControl | None:
        return self.controls.get(stream_id)

    def remove(self, control: StreamControl) -> bool:
        if self.controls[control.stream_id].version != control.version:
            return False
        del self.controls[control.stream_id]
        return True

    def delete(self, broadcast_id: BroadcastId) -> None:
        self.rows.discard(broadcast_id)

    def forget(self, stream_id: StreamId) -> None:
        self.rooms.discard(stream_id)

    def list(self, prefix: str) -> Iterator[str]:
        return iter(sorted(key for key in self.keys if key.startswith(prefix)))

    def delete_many(self, keys: Iterable[str]) -> int:
        if self.fails_at == 0:
            raise DependencyUnavailable
        if self.fails_at is not None:
            self.fails_at -= 1
        removed = list(keys)
        self.keys.difference_update(removed)
        return len(removed)


def kept_broadcast(stores: Stores, stream_id: StreamId, objects: int = 3) -> BroadcastId:
    broadcast_id = BroadcastId(new_id())
    stores.keys.update(f"{stream_id}/{broadcast_id}/720p/1-{number}.m4s" for number in range(objects))
    stores.keys.add(f"{stream_id}/live.m3u8")
    stores.rows.add(broadcast_id)
    return broadcast_id


def news(name: StreamEventName, stream_id: StreamId, broadcast_id: BroadcastId | None = None) -> StreamChanged:
    return StreamChanged(name=name, stream_id=stream_id, occurred_at=NOW, broadcast_id=broadcast_id)


def purge(stores: Stores, changed: StreamChanged, has_time: Callable[[], bool] = lambda: True) -> None:
    Purge(stores, stores, stores, stores)(changed, has_time)


def a_deleted_stream() -> tuple[Stores, StreamId]:
    control = stream_control()
    broadcasts, store, _, _ = memory_broadcasts(control, stream_control(stream_id=OTHER))
    broadcasts.apply(control.stream_id, Delete())
    stores = Stores(store.items)
    for stream_id in (control.stream_id, control.stream_id, OTHER):
        kept_broadcast(stores, stream_id)
        stores.keys.add(f"emotes/{stream_id}/{new_id()}/28.webp")
        stores.rooms.add(stream_id)
    return stores, control.stream_id


def of_others(stores: Stores) -> tuple[int, int]:
    return len(list(stores.list(OTHER))), len(stores.rows)


def test_a_deleted_stream_leaves_no_object_no_row_and_no_hot_state() -> None:
    stores, stream_id = a_deleted_stream()
    for _ in range(2):
        purge(stores, news(StreamEventName.DELETED, stream_id))
        assert list(stores.list(stream_id)) == []
        assert of_others(stores) == (4, 1)
        assert [key.split("/")[1] for key in stores.list("emotes/")] == [OTHER]
        assert stores.rooms == {OTHER}
        assert set(stores.controls) == {OTHER}


@pytest.mark.parametrize("cut", ["store", "time"])
def test_a_purge_that_was_cut_off_goes_on_where_it_was(cut: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.stream_purge.purge.BATCH", 2)
    stores, stream_id = a_deleted_stream()
    runs = 0
    while stream_id in stores.controls:
        runs += 1
        assert runs < 20
        left = iter([True, False])
        stores.fails_at = 1 if cut == "store" else None
        try:
            purge(stores, news(StreamEventName.DELETED, stream_id), (lambda: True) if cut == "store" else left.__next__)
        except (DependencyUnavailable, Unfinished):
            continue
    assert runs > 1
    assert [key for key in stores.keys if stream_id in key] == []
    assert of_others(stores) == (4, 1)


def test_nothing_of_a_stream_that_lives_is_purged_whatever_a_message_says() -> None:
    stores, _ = a_deleted_stream()
    kept_broadcast(stores, OTHER)
    before = set(stores.keys)
    for changed in (
        news(StreamEventName.DELETED, OTHER),
        news(StreamEventName.RECORDING_DELETED, OTHER),
        news(StreamEventName.RECORDING_DELETED, OTHER, BroadcastId(new_id())),
        news(StreamEventName.AUDIENCE_CHANGED, OTHER),
        news(StreamEventName.DELETED, StreamId("")),
        news(StreamEventName.DELETED, StreamId(OTHER[:21])),
    ):
        purge(stores, changed)
    assert stores.keys == before


def test_a_stream_is_purged_only_when_its_last_broadcast_has_settled() -> None:
    control = stream_control()
    broadcasts, store, _, _ = memory_broadcasts(control)
    event = publish()
    broadcasts.apply(control.stream_id, event)
    broadcasts.apply(control.stream_id, MediaSeen(event.candidate_id, 1))
    broadcasts.apply(control.stream_id, Delete())
    stores = Stores(store.items)
    kept_broadcast(stores, control.stream_id)
    with pytest.raises(Unfinished):
        purge(stores, news(StreamEventName.DELETED, control.stream_id))
    assert stores.keys
    broadcasts.apply(control.stream_id, Finalised(event.candidate_id, 0.0, discarded=True))
    purge(stores, news(StreamEventName.DELETED, control.stream_id))
    assert not stores.keys


def test_a_deleted_recording_goes_and_the_others_of_its_stream_stay() -> None:
    control = stream_control()
    broadcasts, store, outbox, _ = memory_broadcasts(control)
    event = publish()
    broadcasts.apply(control.stream_id, event)
    broadcasts.apply(control.stream_id, MediaSeen(event.candidate_id, 1))
    refused = broadcasts.apply(control.stream_id, DeleteRecording(event.candidate_id))
    assert refused.outcome == "refused"
    broadcasts.apply(control.stream_id, Stop())
    broadcasts.apply(control.stream_id, Finalised(event.candidate_id, 4.0, ("720p",)))
    stores = Stores(store.items)
    kept = kept_broadcast(stores, control.stream_id)
    stores.keys.update({f"{control.stream_id}/{event.candidate_id}/index.m3u8"})
    stores.rows.add(event.candidate_id)
    for _ in range(2):
        broadcasts.apply(control.stream_id, DeleteRecording(event.candidate_id))
    [told] = outbox.stream_news
    for _ in range(2):
        purge(stores, news(told.name, control.stream_id, told.broadcast_id))
    assert stores.rows == {kept}
    assert len(stores.keys) == 4


def test_a_stream_whose_hot_state_moves_meanwhile_is_purged_again() -> None:
    stores, stream_id = a_deleted_stream()
    control = stores.controls[stream_id]
    loaded = Stores.load

    def late(self: Stores, wanted: StreamId) -> StreamControl | None:
        found = loaded(self, wanted)
        self.controls[stream_id] = replace(control, version=control.version + 1)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stores, "load", late)
        with pytest.raises(Unfinished):
            purge(stores, news(StreamEventName.DELETED, stream_id))
    purge(stores, news(StreamEventName.DELETED, stream_id))
    assert stream_id not in stores.controls

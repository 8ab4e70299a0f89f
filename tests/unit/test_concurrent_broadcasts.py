"""How many broadcasts an owner has on the air, known to nobody but the streams themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from headwater.domain.broadcast import Broadcast, BroadcastState, StreamControl
from headwater.domain.concurrent_broadcasts import JUST_TAKEN_MS, take_slot
from headwater.domain.ids import BroadcastId, StreamId
from tests.factories import NOW, stream_control

LONG_AGO = NOW - JUST_TAKEN_MS
ONE, TWO, THREE = (StreamId(name) for name in ("one", "two", "three"))
SHOW = Broadcast(BroadcastId("b"), BroadcastState.LIVE, NOW, 1, 1, None, public=True)


def look_at_nothing(stream_id: StreamId) -> StreamControl | None:
    raise AssertionError(f"{stream_id} was looked at")


def no_stream(_: StreamId) -> StreamControl | None:
    return None


def look_at(*on_air: StreamId) -> Callable[[StreamId], StreamControl | None]:
    over = replace(SHOW, state=BroadcastState.ENDED)
    controls = {each: stream_control(broadcast=SHOW if each in on_air else over) for each in (ONE, TWO, THREE)}
    return lambda stream_id: controls.get(stream_id)


def test_a_free_slot_is_taken_without_looking_at_any_stream() -> None:
    assert take_slot({ONE: LONG_AGO}, TWO, 2, NOW, look_at_nothing) == {ONE: LONG_AGO, TWO: NOW}


def test_a_stream_that_has_a_slot_keeps_one() -> None:
    assert take_slot({ONE: LONG_AGO}, ONE, 1, NOW, look_at_nothing) == {ONE: NOW}


def test_slots_of_streams_that_are_off_the_air_or_gone_are_free() -> None:
    taken = {ONE: LONG_AGO, TWO: LONG_AGO}
    assert take_slot(taken, THREE, 2, NOW, look_at(TWO)) == {TWO: LONG_AGO, THREE: NOW}
    assert take_slot(taken, THREE, 1, NOW, no_stream) == {THREE: NOW}


def test_with_all_slots_in_use_there_is_none() -> None:
    assert take_slot({ONE: LONG_AGO, TWO: LONG_AGO}, THREE, 2, NOW, look_at(ONE, TWO)) is None


def test_a_slot_that_was_just_taken_counts_although_its_broadcast_has_not_begun() -> None:
    assert take_slot({ONE: NOW - 1}, TWO, 1, NOW, look_at()) is None

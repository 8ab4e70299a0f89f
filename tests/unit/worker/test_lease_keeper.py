"""No write without a recent proof that the lease is ours."""

from __future__ import annotations

import threading

import pytest

from ffmpeg_worker.lease_keeper import UNPROVEN_SECONDS, LeaseKeeper
from headwater.domain import lease as rules
from headwater.domain.ids import BroadcastId, WorkerId
from headwater.domain.lease import Fence, Lease
from headwater.errors import DependencyUnavailable, LeaseLost
from tests.fakes import MemoryLeases

BROADCAST, ME = BroadcastId("b"), WorkerId("me")


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class _Leases(MemoryLeases):
    down = False

    def beat(self, fence: Fence) -> bool:
        if self.down:
            clock.now += 1.0
            raise DependencyUnavailable
        return super().beat(fence)


clock = _Clock()


@pytest.fixture
def leases() -> _Leases:
    made = _Leases()
    made.items[BROADCAST] = rules.request_worker(Lease(BROADCAST), 0)
    clock.now = 100.0
    return made


@pytest.fixture
def lost() -> threading.Event:
    return threading.Event()


@pytest.fixture
def keeper(leases: _Leases, lost: threading.Event) -> LeaseKeeper:
    made = LeaseKeeper(leases, Fence(BROADCAST, 1, ME), lost.set, clock)
    made._thread = threading.Thread(target=lambda: None)  # the test beats by itself
    return made


def test_a_generation_that_waits_for_nobody_is_not_acquired(leases: _Leases) -> None:
    assert not LeaseKeeper(leases, Fence(BROADCAST, 2, ME), lambda: None, clock).acquire()


def test_a_worker_that_slept_asks_before_it_writes_and_goes_on_when_nobody_took_over(keeper: LeaseKeeper) -> None:
    assert keeper.acquire()
    clock.now += 60
    keeper.check()
    assert keeper.may_write


def test_a_worker_that_slept_while_another_took_over_writes_nothing(
    keeper: LeaseKeeper, leases: _Leases, lost: threading.Event
) -> None:
    assert keeper.acquire()
    leases.items[BROADCAST] = rules.request_worker(leases.items[BROADCAST], 0)
    clock.now += 60
    with pytest.raises(LeaseLost):
        keeper.check()
    assert lost.is_set()
    assert not keeper.release()


def test_a_worker_that_cannot_reach_the_store_stops_writing_and_in_the_end_gives_up(
    keeper: LeaseKeeper, leases: _Leases, lost: threading.Event
) -> None:
    assert keeper.acquire()
    leases.down = True
    clock.now += 2.9
    keeper.check()  # a proof is good for three seconds
    clock.now += 0.2
    with pytest.raises(LeaseLost):
        keeper.check()
    assert clock.now - 103.0 >= UNPROVEN_SECONDS
    assert lost.is_set()


def test_released_means_released(keeper: LeaseKeeper, leases: _Leases) -> None:
    assert keeper.acquire()
    assert keeper.release()
    assert leases.load(BROADCAST).state is rules.LeaseState.RELEASED

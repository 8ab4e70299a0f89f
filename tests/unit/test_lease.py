"""Leases: one writer per generation, judged by one clock, and a count of those that died."""

from __future__ import annotations

from dataclasses import replace

from headwater.domain.ids import BroadcastId, WorkerId
from headwater.domain.lease import (
    DEATHS_LIMIT,
    DEATHS_PERIOD_MS,
    LEASE_MS,
    WORKER_SELF_FENCE_SECONDS,
    Lease,
    LeaseState,
    acquire,
    beat,
    close,
    is_dead,
    judge,
    keeps_dying,
    may_write,
    release,
    request_worker,
)
from tests.factories import NOW

FREE = Lease(BroadcastId("b"))
ALICE, BOB = WorkerId("alice"), WorkerId("bob")
START_LIMIT_MS = 60_000


def held(lease: Lease = FREE, now: int = NOW, worker: WorkerId = ALICE) -> Lease:
    requested = request_worker(lease, now)
    taken = acquire(requested, requested.generation, worker)
    assert taken is not None
    return taken


def test_every_request_is_a_new_generation_with_a_client_token_of_its_own() -> None:
    first = request_worker(FREE, NOW)
    second = request_worker(first, NOW)
    assert (first.generation, second.generation) == (1, 2)
    assert first.client_token != second.client_token
    assert len(request_worker(replace(FREE, generation=10**9), NOW).client_token) <= 64, "the most that ECS takes"


def test_whoever_comes_second_does_not_get_the_lease_and_whoever_asks_twice_keeps_it() -> None:
    lease = held()
    assert acquire(lease, 1, BOB) is None
    assert acquire(lease, 1, ALICE) == lease


def test_a_worker_may_write_only_in_its_own_generation() -> None:
    lease = held()
    assert may_write(lease, 1, ALICE)
    later = request_worker(lease, NOW)
    assert not may_write(later, 1, ALICE)
    assert beat(later, 1, ALICE) is None
    assert release(later, 1, ALICE) is None


def test_nobody_may_write_under_a_released_or_closed_lease() -> None:
    released = release(held(), 1, ALICE)
    assert released is not None
    for lease in (released, close(held()), close(FREE)):
        assert not any(may_write(lease, generation, ALICE) for generation in range(4))
        assert acquire(lease, lease.generation, BOB) is None


def test_a_holder_is_dead_when_its_count_has_not_moved_for_the_lease_time_since_it_was_seen_to_move() -> None:
    lease = judge(held(), NOW + 2_000)
    assert not is_dead(lease, NOW + 2_000 + LEASE_MS - 1, START_LIMIT_MS)
    assert is_dead(lease, NOW + 2_000 + LEASE_MS, START_LIMIT_MS)


def test_a_holder_whose_last_beat_nobody_has_looked_at_yet_is_not_dead_however_late_it_is() -> None:
    assert not is_dead(held(), NOW + 3_600_000, START_LIMIT_MS)


def test_a_worker_stops_by_itself_before_anybody_may_take_it_for_dead() -> None:
    assert WORKER_SELF_FENCE_SECONDS * 1_000 < LEASE_MS


def test_workers_that_die_are_counted_and_those_that_go_are_not() -> None:
    lease = FREE
    for number in range(DEATHS_LIMIT + 1):
        lease = held(lease, NOW + number)
    assert keeps_dying(lease, NOW + 100)
    lease = FREE
    for number in range(DEATHS_LIMIT + 1):
        released = release(held(lease, NOW + number), number + 1, ALICE)
        assert released is not None
        lease = released
    assert not keeps_dying(lease, NOW + 100)


def test_deaths_that_are_long_past_do_not_count() -> None:
    lease = FREE
    for number in range(DEATHS_LIMIT * 3):
        lease = held(lease, NOW + number * (DEATHS_PERIOD_MS // 4))
        assert not keeps_dying(lease, NOW + number * (DEATHS_PERIOD_MS // 4))


def test_a_closed_lease_says_whether_its_finaliser_was_asked() -> None:
    assert (close(held()).state, close(held()).judged_at) == (LeaseState.CLOSED, 0)

"""A worker whose machine is taken back works on until its successor has the lease, and then writes nothing more."""

from __future__ import annotations

import pytest

from headwater.domain.broadcast_events import MediaSeen, Stop
from headwater.domain.lease import (
    LEASE_MS,
    Fence,
    LeaseState,
    acquire,
    may_write,
    release,
)
from tests.dispatch_stage import ENCODER, START_LIMIT_MS, Stage
from tests.factories import NOW, done


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def leaving(stage: Stage) -> Fence:
    """The first worker, which has been told to go, and whose successor has been asked for."""
    stage.look()
    fence = stage.worker_comes()
    stage.apply(MediaSeen(stage.broadcast.broadcast_id, 1))
    assert stage.leases.leave(fence)
    stage.look()
    return fence


def test_a_successor_is_started_once_and_the_one_that_leaves_writes_on_and_is_not_stopped(
    stage: Stage, leaving: Fence
) -> None:
    for _ in range(5):
        stage.look()
    assert [task.job.generation for task in stage.tasks.running] == [1, 2]
    assert stage.leases.beat(leaving)
    assert stage.leases.may_write(leaving)


def test_who_comes_has_the_lease_in_one_write_and_the_one_that_left_nothing_more(stage: Stage, leaving: Fence) -> None:
    successor = stage.worker_comes()
    assert stage.leases.may_write(successor)
    assert not stage.leases.may_write(leaving)
    assert not stage.leases.beat(leaving)
    assert not stage.leases.release(leaving)
    stage.look()
    assert (stage.lease.state, stage.lease.generation, stage.lease.deaths) == (LeaseState.HELD, 2, 0)
    assert not stage.lease.leaving, "it may stay"
    assert len(stage.tasks.started) == 2


def test_a_successor_is_on_spare_capacity_near_the_node_as_its_predecessor_was(stage: Stage, leaving: Fence) -> None:
    first, second = stage.tasks.running
    assert (second.spot, second.near) == (first.spot, first.near)


def test_a_successor_that_does_not_come_in_time_is_followed_by_another_while_the_first_worker_writes(
    stage: Stage, leaving: Fence
) -> None:
    stage.clock.advance(START_LIMIT_MS)
    stage.apply_update()
    stage.look()
    assert stage.lease.generation == 3
    assert stage.leases.may_write(leaving)
    assert not stage.tasks.running[-1].spot, "wherever there is one"
    assert acquire(stage.lease, 2, stage.worker_id(2)) is None


def test_a_successor_whose_task_has_stopped_is_followed_by_another_at_once(stage: Stage, leaving: Fence) -> None:
    stage.look(stopped_task=stage.lease.task_id, stopped_generation=2)
    assert (stage.lease.generation, stage.lease.state) == (3, LeaseState.HANDING_OVER)


def test_one_that_could_wait_no_longer_leaves_the_lease_to_the_successor_that_is_on_its_way(
    stage: Stage, leaving: Fence
) -> None:
    asked = stage.lease
    assert stage.leases.release(leaving)
    assert (stage.lease.state, stage.lease.generation) == (LeaseState.REQUESTED, 2)
    assert (stage.lease.task_id, stage.lease.judged_at) == (asked.task_id, asked.judged_at)
    stage.look()
    assert len(stage.tasks.started) == 2
    assert stage.leases.may_write(stage.worker_comes())


def test_the_death_of_one_that_leaves_changes_nothing_for_its_successor_is_on_its_way(
    stage: Stage, leaving: Fence
) -> None:
    stage.apply_update()
    stage.after(LEASE_MS)
    stage.look(stopped_task="task of the first", stopped_generation=1)
    assert (stage.lease.generation, stage.lease.deaths) == (2, 0)
    assert stage.leases.may_write(stage.worker_comes())


def test_one_that_dies_before_anybody_looked_is_replaced_as_any_other(stage: Stage) -> None:
    stage.look()
    fence = stage.worker_comes()
    assert stage.leases.leave(fence)
    stage.look(stopped_task=stage.lease.task_id, stopped_generation=1)
    assert (stage.lease.state, stage.lease.generation) == (LeaseState.REQUESTED, 2)
    assert not stage.leases.may_write(fence)


def test_when_the_broadcast_ends_meanwhile_whoever_writes_is_waited_for_and_the_lease_is_closed_afterwards(
    stage: Stage, leaving: Fence
) -> None:
    stage.apply(Stop())
    stage.look()
    assert stage.leases.may_write(leaving), "it stores what is left"
    assert stage.finaliser.messages == []
    assert stage.leases.release(leaving)
    stage.look()
    assert len(stage.finaliser.messages) == 1
    assert stage.lease.state is LeaseState.CLOSED
    assert acquire(stage.lease, 2, stage.worker_id(2)) is None


def test_when_the_broadcast_ends_and_neither_releases_the_lease_it_is_closed_when_the_successor_should_have_come(
    stage: Stage, leaving: Fence
) -> None:
    stage.apply(Stop())
    stage.after(START_LIMIT_MS)
    assert stage.lease.state is LeaseState.CLOSED
    assert not stage.leases.may_write(leaving)


def test_while_nobody_publishes_no_successor_is_started(stage: Stage) -> None:
    stage.look()
    fence = stage.worker_comes()
    stage.apply(done(ENCODER, NOW + 1_000))
    assert stage.leases.leave(fence)
    stage.look()
    assert len(stage.tasks.started) == 1
    released = release(stage.lease, 1, fence.worker_id)
    assert released is not None
    assert not released.leaving
    assert not may_write(released, 1, fence.worker_id)


def test_only_the_holder_can_leave(stage: Stage, leaving: Fence) -> None:
    successor = stage.worker_comes()
    assert not stage.leases.leave(leaving)
    assert stage.leases.leave(successor)

"""Leases and timelines in DynamoDB: what fencing allows and refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ReadTimeoutError

from headwater.adapters.leases import Leases
from headwater.adapters.timelines import Timelines
from headwater.domain.ids import BroadcastId, StreamId, WorkerId, new_id
from headwater.domain.lease import Fence, LeaseState
from headwater.errors import Conflict, DependencyUnavailable, LeaseLost
from headwater.media.timeline import Epoch, Segment, Track, TrackKind, TrackSegment
from tests.aws import LEASE_TABLE, SEGMENT_TABLE, Account
from tests.factories import NOW

STREAM = StreamId(new_id())
BROADCAST = BroadcastId(new_id())
ALICE, BOB = WorkerId("alice"), WorkerId("bob")
EPOCH = Epoch(1, 1, 0, NOW, (Track("720p", TrackKind.VIDEO, "avc1.64001f", 90_000, 1280, 720, 30.0),))


def segment(sequence: int) -> Segment:
    return Segment(sequence, 1, 2_000 * sequence, {"720p": TrackSegment(180_000 * sequence, 180_000, 700_000)})


def held_by(worker: WorkerId, leases: Leases) -> Fence:
    requested = leases.request(leases.load(BROADCAST), NOW)
    assert requested is not None
    assert leases.acquire(BROADCAST, requested.generation, worker) is not None
    return Fence(BROADCAST, requested.generation, worker)


def test_a_lease_that_nobody_asked_for_is_free(account: Account) -> None:
    assert Leases(LEASE_TABLE).load(BROADCAST).state is LeaseState.FREE


def test_a_database_that_does_not_answer_is_unavailable_and_no_refusal(account: Account) -> None:
    leases = Leases(LEASE_TABLE)
    fence = held_by(ALICE, leases)
    away = ReadTimeoutError(endpoint_url="http://dynamodb")
    with (
        patch("moto.core.botocore_stubber.BotocoreStubber.__call__", side_effect=away),
        pytest.raises(DependencyUnavailable),
    ):
        leases.beat(fence)
    assert leases.beat(fence)


def test_only_one_of_two_workers_of_a_generation_gets_the_lease(account: Account) -> None:
    leases = Leases(LEASE_TABLE)
    fence = held_by(ALICE, leases)
    assert leases.acquire(BROADCAST, fence.generation, BOB) is None
    assert leases.acquire(BROADCAST, fence.generation, ALICE) is not None, "asking again after a lost answer"


def test_a_worker_of_an_old_generation_can_neither_beat_nor_release_nor_write(account: Account) -> None:
    leases, timelines = Leases(LEASE_TABLE), Timelines(SEGMENT_TABLE, LEASE_TABLE)
    old = held_by(ALICE, leases)
    assert leases.beat(old)
    held_by(BOB, leases)
    assert not leases.beat(old)
    assert not leases.release(old)
    with pytest.raises(LeaseLost):
        timelines.append(old, segment(0), EPOCH)
    assert timelines.load(STREAM, BROADCAST).segments == ()


def handed_over(leases: Leases) -> Fence:
    """The fence of a worker that leaves, and whose successor has been asked for."""
    fence = held_by(ALICE, leases)
    assert leases.leave(fence)
    assert leases.request_successor(leases.load(BROADCAST), NOW) is not None
    return fence


def test_a_worker_that_leaves_writes_until_its_successor_has_the_lease(account: Account) -> None:
    leases, timelines = Leases(LEASE_TABLE), Timelines(SEGMENT_TABLE, LEASE_TABLE)
    old = handed_over(leases)
    assert leases.beat(old)
    timelines.append(old, segment(0), EPOCH)
    assert leases.acquire(BROADCAST, old.generation + 1, BOB) is not None
    new = Fence(BROADCAST, old.generation + 1, BOB)
    assert not leases.beat(old)
    assert not leases.leave(old)
    assert not leases.release(old)
    with pytest.raises(LeaseLost):
        timelines.append(old, segment(1), None)
    timelines.append(new, segment(1), None)
    assert not leases.load(BROADCAST).leaving
    assert len(timelines.load(STREAM, BROADCAST).segments) == 2


def test_a_worker_that_leaves_before_its_successor_came_keeps_what_is_said_of_that_one(account: Account) -> None:
    leases = Leases(LEASE_TABLE)
    old = handed_over(leases)
    awaited = leases.load(BROADCAST)
    assert leases.note_task(awaited, "task/2")
    assert leases.release(old)
    after = leases.load(BROADCAST)
    assert (after.state, after.generation, after.task_id) == (LeaseState.REQUESTED, old.generation + 1, "task/2")
    assert (after.holder, after.handing_over, after.leaving) == (None, None, False)
    assert leases.acquire(BROADCAST, after.generation, BOB) is not None


def test_a_lease_that_is_closed_while_it_is_handed_over_is_nobodys(account: Account) -> None:
    leases = Leases(LEASE_TABLE)
    old = handed_over(leases)
    closed = leases.close_whatever(BROADCAST)
    assert not leases.beat(old)
    assert leases.acquire(BROADCAST, closed.generation, BOB) is None
    assert leases.load(BROADCAST) == closed


def test_of_two_dispatchers_that_ask_at_once_one_wins(account: Account) -> None:
    leases = Leases(LEASE_TABLE)
    seen = leases.load(BROADCAST)
    assert leases.request(seen, NOW) is not None
    assert leases.request(seen, NOW) is None


def test_a_worker_that_beats_after_it_was_judged_dead_keeps_its_lease(account: Account) -> None:
    leases = Leases(LEASE_TABLE)
    fence = held_by(ALICE, leases)
    judged = leases.load(BROADCAST)
    assert leases.beat(fence)
    assert leases.request(judged, NOW) is None


def test_a_closed_lease_shuts_its_worker_out_and_is_never_requested_again_by_an_older_view(account: Account) -> None:
    leases, timelines = Leases(LEASE_TABLE), Timelines(SEGMENT_TABLE, LEASE_TABLE)
    fence = held_by(ALICE, leases)
    before = leases.load(BROADCAST)
    closed = leases.close_whatever(BROADCAST)
    assert closed == leases.close_whatever(BROADCAST)
    assert leases.request(before, NOW) is None
    with pytest.raises(LeaseLost):
        timelines.append(fence, segment(0), EPOCH)


def test_a_timeline_reads_back_whole_and_by_its_tail(account: Account) -> None:
    leases, timelines = Leases(LEASE_TABLE), Timelines(SEGMENT_TABLE, LEASE_TABLE)
    fence = held_by(ALICE, leases)
    for number in range(12):
        timelines.append(fence, segment(number), EPOCH if number == 0 else None)
    whole = timelines.load(STREAM, BROADCAST)
    assert whole.epochs == (EPOCH,)
    assert [s.sequence for s in whole.segments] == list(range(12))
    assert whole.segments[3] == segment(3)
    tail = timelines.load_tail(STREAM, BROADCAST, 3)
    assert tail.segments == whole.segments[-3:]
    assert tail.epochs == (EPOCH,)


def test_appending_the_same_rows_again_changes_nothing_and_a_different_row_is_refused(account: Account) -> None:
    leases, timelines = Leases(LEASE_TABLE), Timelines(SEGMENT_TABLE, LEASE_TABLE)
    fence = held_by(ALICE, leases)
    timelines.append(fence, segment(0), EPOCH)
    timelines.append(fence, segment(0), EPOCH)
    with pytest.raises(Conflict):
        timelines.append(fence, replace(segment(0), start_ms=1))
    assert timelines.load(STREAM, BROADCAST).segments == (segment(0),)


def answers_once(operation: str, error: dict[str, object]) -> Callable[..., object]:
    """DynamoDB as it answers while another transaction holds the item: once `error`, then as ever. moto knows none."""
    call = BaseClient._make_api_call  # type: ignore[attr-defined]
    pending = [operation]

    def make_api_call(client: BaseClient, name: str, arguments: dict[str, object]) -> object:
        if pending and name == operation:
            pending.clear()
            raise ClientError(error, name)  # type: ignore[arg-type]
        return call(client, name, arguments)

    return make_api_call


def test_a_beat_during_the_write_of_a_segment_is_written_after_it(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = Leases(LEASE_TABLE)
    fence = held_by(ALICE, leases)
    conflict: dict[str, object] = {"Error": {"Code": "TransactionConflictException", "Message": ""}}
    monkeypatch.setattr(BaseClient, "_make_api_call", answers_once("UpdateItem", conflict))
    beats = leases.load(BROADCAST).beats
    assert leases.beat(fence)
    assert leases.load(BROADCAST).beats == beats + 1


def test_a_segment_during_the_write_of_a_beat_is_written_after_it(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases, timelines = Leases(LEASE_TABLE), Timelines(SEGMENT_TABLE, LEASE_TABLE)
    fence = held_by(ALICE, leases)
    conflict: dict[str, object] = {
        "Error": {"Code": "TransactionCanceledException", "Message": ""},
        "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}, {"Code": "None"}],
    }
    monkeypatch.setattr(BaseClient, "_make_api_call", answers_once("TransactWriteItems", conflict))
    timelines.append(fence, segment(0), EPOCH)
    assert timelines.load(STREAM, BROADCAST).segments == (segment(0),)

"""Stages 3–4 · workers' leases in DynamoDB: every change is conditional on the generation it was made for (fencing)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pynamodb.exceptions import DoesNotExist

from headwater.adapters.dynamodb_tables import (
    LeaseItem,
    lease_items,
    unavailable_when_failing,
    update_where,
)
from headwater.domain import lease as rules
from headwater.domain.ids import BroadcastId, WorkerId
from headwater.domain.lease import Fence, Lease, LeaseState

if TYPE_CHECKING:
    from pynamodb.expressions.condition import Condition
    from pynamodb.expressions.update import Action

KEPT_SECONDS = 14 * 24 * 3600  # longer than any broadcast and its finalisation can take


class Leases:
    """Every method raises DependencyUnavailable when DynamoDB fails. A condition that does not hold is None or False."""

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name

    def load(self, broadcast_id: BroadcastId) -> Lease:
        """The lease, strongly consistent; a free one of generation 0 when nobody ever asked for a worker."""
        with unavailable_when_failing():
            try:
                item = lease_items(self._table_name).get(broadcast_id, consistent_read=True)
            except DoesNotExist:
                return Lease(broadcast_id)
        return _lease(item)

    def request(self, lease: Lease, now: int) -> Lease | None:
        """Begin a new generation after `lease`; None when somebody else changed it meanwhile."""
        return self._replace(lease, rules.request_worker(lease, now))

    def request_successor(self, lease: Lease, now: int) -> Lease | None:
        """Begin a new generation whose worker relieves the holder, which is leaving; None when the lease has changed."""
        return self._replace(lease, rules.request_successor(lease, now), but_for_beats=True)

    def acquire(self, broadcast_id: BroadcastId, generation: int, worker_id: WorkerId) -> Lease | None:
        """Make `worker_id` the holder of a generation that waits for one; None when it does not (any more)."""
        lease = self.load(broadcast_id)
        held = rules.acquire(lease, generation, worker_id)
        if held is None or held == lease:
            return held
        if self._replace(lease, held) is not None:
            return held
        return rules.acquire(self.load(broadcast_id), generation, worker_id)  # a judgement, or our own lost answer

    def beat(self, fence: Fence) -> bool:
        """Prove that the worker lives; False when it no longer holds the lease and must stop at once. One write."""
        return self._update(fence.broadcast_id, [LeaseItem.beats.add(1)], holds(fence))

    def leave(self, fence: Fence) -> bool:
        """The worker has been told to go, and waits for a successor; False when it no longer holds the lease."""
        return self._update(fence.broadcast_id, [LeaseItem.leaving.set(True)], holds(fence))

    def release(self, fence: Fence) -> bool:
        """Everything is flushed and the worker goes; False when it no longer held the lease."""
        while True:
            lease = self.load(fence.broadcast_id)
            released = rules.release(lease, fence.generation, fence.worker_id)
            if released is None:
                return False
            actions = [
                LeaseItem.state.set(released.state.value),
                LeaseItem.holder.remove(),
                LeaseItem.leaving.remove(),
                LeaseItem.handing_over.remove(),
            ]
            # A successor may be asked for just now, and what is said of it stays.
            if self._update(fence.broadcast_id, actions, holds(fence) & (LeaseItem.state == lease.state.value)):
                return True

    def note_judgement(self, lease: Lease) -> bool:
        """Keep when the count of beats was last seen to move, unless the lease has gone to another generation."""
        actions = [LeaseItem.judged_beats.set(lease.judged_beats), LeaseItem.judged_at.set(lease.judged_at)]
        return self._update(lease.broadcast_id, actions, LeaseItem.generation == lease.generation)

    def note_task(self, lease: Lease, task_id: str) -> bool:
        """Keep which task was started for this generation."""
        return self._update(
            lease.broadcast_id, [LeaseItem.task_id.set(task_id)], LeaseItem.generation == lease.generation
        )

    def close_as_seen(self, lease: Lease) -> Lease | None:
        """Shut out every writer for good; None when the lease has changed since it was read."""
        return self._replace(lease, rules.close(lease))

    def close_whatever(self, broadcast_id: BroadcastId) -> Lease:
        """Shut out every writer for good, whoever holds the lease now, and answer with the closed lease. Idempotent."""
        while True:
            lease = self.load(broadcast_id)
            if lease.state is LeaseState.CLOSED:
                return lease
            closed = self._replace(lease, rules.close(lease), but_for_beats=True)
            if closed is not None:
                return closed

    def _replace(self, before: Lease, after: Lease, *, but_for_beats: bool = False) -> Lease | None:
        if before.generation == 0:
            condition = LeaseItem.broadcast_id.does_not_exist()
        else:
            condition = (LeaseItem.generation == before.generation) & (LeaseItem.state == before.state.value)
            if before.state is LeaseState.HELD and not but_for_beats:
                condition &= LeaseItem.beats == before.beats  # it lives after all
        actions = [
            LeaseItem.state.set(after.state.value),
            LeaseItem.generation.set(after.generation),
            LeaseItem.beats.set(after.beats),
            LeaseItem.judged_beats.set(after.judged_beats),
            LeaseItem.judged_at.set(after.judged_at),
            LeaseItem.deaths.set(after.deaths),
            LeaseItem.dying_since.set(after.dying_since),
            LeaseItem.expires_at.set(int(time.time()) + KEPT_SECONDS),
            LeaseItem.holder.set(after.holder) if after.holder else LeaseItem.holder.remove(),
            LeaseItem.leaving.set(True) if after.leaving else LeaseItem.leaving.remove(),
            LeaseItem.handing_over.set(after.handing_over) if after.handing_over else LeaseItem.handing_over.remove(),
            LeaseItem.task_id.set(after.task_id) if after.task_id else LeaseItem.task_id.remove(),
            LeaseItem.claimed.set(True) if after.claimed else LeaseItem.claimed.remove(),
        ]
        return after if self._update(before.broadcast_id, actions, condition) else None

    def _update(self, broadcast_id: BroadcastId, actions: Sequence[Action], condition: Condition) -> bool:
        """The transaction that may be in its way is that of a segment, which is written on condition of this very lease."""
        return update_where(lease_items(self._table_name)(broadcast_id), actions, condition)


def holds(fence: Fence) -> Condition:
    """The condition under which a write of this worker may happen."""
    held = (LeaseItem.state == LeaseState.HELD.value) & (LeaseItem.generation == fence.generation)
    handing_over = (LeaseItem.state == LeaseState.HANDING_OVER.value) & (LeaseItem.handing_over == fence.generation)
    condition: Condition = (LeaseItem.holder == fence.worker_id) & (held | handing_over)  # PynamoDB types these as Any
    return condition


def _lease(item: LeaseItem) -> Lease:
    return Lease(
        broadcast_id=BroadcastId(item.broadcast_id),
        state=LeaseState(item.state),
        generation=int(item.generation),
        holder=WorkerId(item.holder) if item.holder else None,
        leaving=bool(item.leaving),
        handing_over=int(item.handing_over) if item.handing_over else None,
        beats=int(item.beats),
        judged_beats=int(item.judged_beats),
        judged_at=int(item.judged_at),
        task_id=item.task_id,
        deaths=int(item.deaths or 0),
        dying_since=int(item.dying_since or 0),
        claimed=bool(item.claimed),
    )

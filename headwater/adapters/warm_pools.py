"""Stages 3–4 · the workers that wait for a broadcast, in the table of the leases: the pool, and an item for each of them.

A claim is one transaction over three items: the worker leaves the pool, is told its job, and its task is noted in the
broadcast's lease. So it happens for one broadcast, and for one worker of a generation, or not at all.
"""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
from pynamodb.exceptions import DoesNotExist, TransactWriteError
from pynamodb.transactions import TransactWrite

from headwater.adapters.dynamodb_tables import (
    CONFLICT_ATTEMPTS,
    LeaseItem,
    WarmPoolItem,
    WarmWorkerItem,
    connection_of,
    lease_items,
    unavailable_when_failing,
    update_where,
    wait_for_transaction,
    warm_pool_items,
    warm_worker_items,
)
from headwater.adapters.leases import KEPT_SECONDS
from headwater.contracts import TranscodeJob, encode
from headwater.domain.ids import WorkerId
from headwater.domain.lease import Lease
from headwater.domain.warm_pool import Sign, WaitingState, WarmPool, WarmWorker

if TYPE_CHECKING:
    from pynamodb.expressions.condition import Condition
    from pynamodb.expressions.update import Action

POOL = "@warm"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[WarmWorker, ...])


class Claim(StrEnum):
    MADE = "made"
    POOL_CHANGED = "pool_changed"  # or the worker has gone: look again
    NOT_NEEDED = "not_needed"  # the lease's generation has a task by now, or is over


class WarmPools:
    """Every method raises DependencyUnavailable when DynamoDB fails. A condition that does not hold is False."""

    def __init__(self, lease_table: str) -> None:
        self._lease_table = lease_table

    # --- the dispatcher ---

    def load(self) -> WarmPool:
        """Strongly consistent; an empty pool of version 0 where there never was one."""
        with unavailable_when_failing():
            try:
                item = warm_pool_items(self._lease_table).get(POOL, consistent_read=True)
            except DoesNotExist:
                return WarmPool()
        return WarmPool(_decoder.decode(item.workers), int(item.version))

    def replace(self, before: WarmPool, after: WarmPool) -> bool:
        """False when somebody else has changed it since `before` was read."""
        absent, unchanged = WarmPoolItem.broadcast_id.does_not_exist(), WarmPoolItem.version == before.version
        item, condition = warm_pool_items(self._lease_table)(POOL), unchanged if before.version else absent
        return update_where(item, _pool_as(after, before.version + 1), condition)

    def sign(self, worker_id: WorkerId) -> Sign | None:
        """What is known of a worker, strongly consistent; None when it has not come."""
        with unavailable_when_failing():
            try:
                item = warm_worker_items(self._lease_table).get(_key(worker_id), consistent_read=True)
            except DoesNotExist:
                return None
        return Sign(WaitingState(item.state), int(item.beats or 0), item.job)

    def claim(self, pool: WarmPool, worker: WarmWorker, job: TranscodeJob, lease: Lease) -> Claim:
        """Give `worker`, of `pool`, the generation that `lease` waits for; `lease` as `note_claim` has made it."""
        assert lease.task_id is not None  # noqa: S101 - so says `note_claim`
        told = warm_worker_items(self._lease_table)(_key(worker.worker_id))
        with unavailable_when_failing():
            for attempt in range(CONFLICT_ATTEMPTS):
                try:
                    with TransactWrite(connection=connection_of(warm_pool_items(self._lease_table))) as transaction:
                        transaction.update(
                            lease_items(self._lease_table)(job.broadcast_id),
                            actions=[
                                LeaseItem.task_id.set(lease.task_id),
                                LeaseItem.claimed.set(True),
                                LeaseItem.judged_at.set(lease.judged_at),
                            ],
                            condition=(LeaseItem.generation == job.generation)
                            & (LeaseItem.state == lease.state.value)
                            & LeaseItem.task_id.does_not_exist(),
                        )
                        transaction.update(
                            warm_pool_items(self._lease_table)(POOL),
                            actions=_pool_as(pool.without(worker.worker_id), pool.version + 1),
                            condition=WarmPoolItem.version == pool.version,
                        )
                        transaction.update(
                            told,
                            actions=[
                                WarmWorkerItem.state.set(WaitingState.CLAIMED.value),
                                WarmWorkerItem.job.set(encode(job)),
                                WarmWorkerItem.expires_at.set(_expiry()),
                            ],
                            condition=WarmWorkerItem.state == WaitingState.WAITING.value,
                        )
                except TransactWriteError as error:
                    codes = [reason.code if reason else "None" for reason in error.cancellation_reasons]
                    if codes and codes[0] == "ConditionalCheckFailed":
                        return Claim.NOT_NEEDED
                    if "ConditionalCheckFailed" in codes:
                        return Claim.POOL_CHANGED
                    # The worker's own beat, or another claim, was just being written: over in milliseconds.
                    if "TransactionConflict" not in codes or attempt == CONFLICT_ATTEMPTS - 1:
                        raise
                    wait_for_transaction()
                else:
                    return Claim.MADE
        return Claim.POOL_CHANGED

    def retire(self, worker_id: WorkerId) -> bool:
        """Nobody may claim it any more, and when it comes, or looks next, it goes; False when it has a job."""
        not_claimed = WarmWorkerItem.state.does_not_exist() | (WarmWorkerItem.state != WaitingState.CLAIMED.value)
        return self._say(worker_id, WaitingState.RETIRED, not_claimed)

    # --- the worker ---

    def beat(self, worker_id: WorkerId) -> bool:
        """It waits, and lives; False when it has a job, or shall go. One write."""
        waiting = WarmWorkerItem.state.does_not_exist() | (WarmWorkerItem.state == WaitingState.WAITING.value)
        return self._say(worker_id, WaitingState.WAITING, waiting, beats=1)

    def _say(self, worker_id: WorkerId, state: WaitingState, condition: Condition, beats: int = 0) -> bool:
        actions: list[Action] = [
            WarmWorkerItem.state.set(state.value),
            WarmWorkerItem.beats.add(beats),
            WarmWorkerItem.expires_at.set(_expiry()),
        ]
        return update_where(warm_worker_items(self._lease_table)(_key(worker_id)), actions, condition)


def _key(worker_id: WorkerId) -> str:
    return f"{POOL} {worker_id}"


def _pool_as(pool: WarmPool, version: int) -> list[Action]:
    return [WarmPoolItem.workers.set(_encoder.encode(pool.workers).decode()), WarmPoolItem.version.set(version)]


def _expiry() -> int:
    return int(time.time()) + KEPT_SECONDS

"""Stage 3 · which worker may write a broadcast: a lease with a generation, judged by the dispatcher's clock alone.

The worker proves that it lives by counting `beats`; it never writes a time. The dispatcher notes when it last saw the
count move, so clocks of two machines are never compared. Every takeover raises `generation`, and every write of a worker
is conditional on its own generation (fencing, after Kleppmann 2016).

A worker whose machine is taken back says that it is leaving, and works on while the next generation is on its way. Whoever
comes takes the lease from it, as from a dead one: in one write, after which nothing of the predecessor's is accepted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from headwater.domain.ids import BroadcastId, WorkerId

LEASE_MS = 4_000  # the count has not moved for this long: the worker is dead, or as good as
WORKER_SELF_FENCE_SECONDS = 3.0  # a worker that could not beat for this long stops by itself, before it is replaced
BEAT_INTERVAL_SECONDS = 1.0
CLAIMED_START_LIMIT_MS = 5_000  # a worker that waited for a job takes it within a second, or is not there any more
SUSPECT_MS = 1_500  # a beat is overdue: worth asking ECS whether the task has stopped
DEATHS_LIMIT = 8  # so many workers of one broadcast died within the period: the next would, too
DEATHS_PERIOD_MS = 120_000


class LeaseState(StrEnum):
    FREE = "free"  # nobody, and nobody asked for
    REQUESTED = "requested"  # a task was asked for; no worker has come yet
    HELD = "held"
    HANDING_OVER = "handing_over"  # held by one that leaves; `generation`, and its task, are its successor's
    RELEASED = "released"  # the worker has flushed everything and gone
    CLOSED = "closed"  # the recording is being, or was, finalised: nobody may write any more


AWAITED = frozenset({LeaseState.REQUESTED, LeaseState.HANDING_OVER})  # a task was asked for, and its worker may come


@dataclass(frozen=True, slots=True)
class Lease:
    broadcast_id: BroadcastId
    state: LeaseState = LeaseState.FREE
    generation: int = 0
    holder: WorkerId | None = None
    leaving: bool = False  # the holder has been told to go
    handing_over: int | None = None  # the holder's generation, while a successor is on its way
    beats: int = 0
    judged_beats: int = -1
    judged_at: int = 0  # ms, when the dispatcher first saw `judged_beats`, or asked for the task
    task_id: str | None = None  # what RunTask answered; None while that answer is unknown
    deaths: int = 0  # workers that died, within the period that began at `dying_since`
    dying_since: int = 0
    claimed: bool = (
        False  # its worker was waiting for a job (headwater/domain/warm_pool.py), and need not be started first
    )

    @property
    def client_token(self) -> str:
        """Idempotency token of RunTask: one task per generation, however often it is asked for."""
        return f"{self.broadcast_id}-{self.generation}"


@dataclass(frozen=True, slots=True)
class Fence:
    """Proof of tenure that a worker carries with every write: holds while the lease says exactly this."""

    broadcast_id: BroadcastId
    generation: int
    worker_id: WorkerId


def request_worker(lease: Lease, now: int) -> Lease:
    """A new generation: whoever held the lease before can no longer write.

    A predecessor that was asked for and did not release the lease has died, and is counted.
    """
    died = lease.state in (LeaseState.HELD, LeaseState.REQUESTED, LeaseState.HANDING_OVER)
    requested = _next_generation(lease, now, died=died)
    return replace(requested, state=LeaseState.REQUESTED, holder=None, leaving=False, handing_over=None)


def request_successor(lease: Lease, now: int) -> Lease:
    """A new generation while the holder, which is leaving, works on; or another one, where that did not come."""
    another = lease.state is LeaseState.HANDING_OVER
    requested = _next_generation(lease, now, died=another)
    return replace(
        requested,
        state=LeaseState.HANDING_OVER,
        handing_over=lease.handing_over if another else lease.generation,
    )


def _next_generation(lease: Lease, now: int, *, died: bool) -> Lease:
    new_period = now - lease.dying_since >= DEATHS_PERIOD_MS
    return replace(
        lease,
        generation=lease.generation + 1,
        beats=0,
        judged_beats=0,
        judged_at=now,
        task_id=None,
        deaths=(0 if new_period else lease.deaths) + died,
        dying_since=now if new_period else lease.dying_since,
        claimed=False,
    )


def note_claim(lease: Lease, task_id: str, now: int) -> Lease | None:
    """The lease whose worker is the one of `task_id`, that was waiting; None when it has one, or needs none any more."""
    if lease.state not in AWAITED or lease.task_id is not None:
        return None
    return replace(lease, task_id=task_id, claimed=True, judged_at=now)


def acquire(lease: Lease, generation: int, worker_id: WorkerId) -> Lease | None:
    """The lease held by `worker_id`, or None when that generation is not waiting for a worker (any more)."""
    if lease.generation != generation:
        return None
    if lease.state is LeaseState.HELD and lease.holder == worker_id:
        return lease
    if lease.state not in AWAITED:
        return None
    return replace(
        lease,
        state=LeaseState.HELD,
        holder=worker_id,
        leaving=False,
        handing_over=None,
        beats=lease.beats + 1,
    )


def beat(lease: Lease, generation: int, worker_id: WorkerId) -> Lease | None:
    if not may_write(lease, generation, worker_id):
        return None
    return replace(lease, beats=lease.beats + 1)


def leave(lease: Lease, generation: int, worker_id: WorkerId) -> Lease | None:
    """The holder says that it has to go, and that it works on until another has come."""
    return replace(lease, leaving=True) if may_write(lease, generation, worker_id) else None


def release(lease: Lease, generation: int, worker_id: WorkerId) -> Lease | None:
    """The holder has gone. A successor that is on its way is what is waited for then."""
    if not may_write(lease, generation, worker_id):
        return None
    awaited = lease.state is LeaseState.HANDING_OVER
    state = LeaseState.REQUESTED if awaited else LeaseState.RELEASED
    return replace(lease, state=state, holder=None, leaving=False, handing_over=None)


def may_write(lease: Lease, generation: int, worker_id: WorkerId) -> bool:
    if lease.state is LeaseState.HANDING_OVER:
        return lease.handing_over == generation and lease.holder == worker_id
    return lease.state is LeaseState.HELD and lease.generation == generation and lease.holder == worker_id


def judge(lease: Lease, now: int) -> Lease:
    """Note the count when it moved since the last look. While a worker is awaited, what counts is since when; one is on its
    way whether the holder that leaves lives or not."""
    if lease.state in AWAITED or lease.beats == lease.judged_beats:
        return lease
    return replace(lease, judged_beats=lease.beats, judged_at=now)


def is_suspect(lease: Lease, now: int) -> bool:
    """Whether a beat of the holder is overdue, though not by so much that it counts as dead."""
    return lease.state is LeaseState.HELD and lease.beats == lease.judged_beats and now - lease.judged_at >= SUSPECT_MS


def keeps_dying(lease: Lease, now: int) -> bool:
    return lease.deaths >= DEATHS_LIMIT and now - lease.dying_since < DEATHS_PERIOD_MS


def is_dead(lease: Lease, now: int, start_limit_ms: int) -> bool:
    """Whether the holder stopped beating, or the requested task did not come within `start_limit_ms`, a claimed one sooner."""
    if lease.state in AWAITED:
        return now - lease.judged_at >= (CLAIMED_START_LIMIT_MS if lease.claimed else start_limit_ms)
    return lease.state is LeaseState.HELD and lease.beats == lease.judged_beats and now - lease.judged_at >= LEASE_MS


def close(lease: Lease) -> Lease:
    """Nobody may write from here on: the finaliser reads a timeline that no longer moves.

    `judged_at` of a closed lease is when the finaliser was last asked; 0 while it never was.
    """
    return replace(
        lease,
        state=LeaseState.CLOSED,
        generation=lease.generation + 1,
        holder=None,
        leaving=False,
        handing_over=None,
        judged_at=0,
    )

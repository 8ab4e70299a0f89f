"""Stage 3 · what a broadcast needs, given its worker's lease: the table of docs/architecture.md as one pure function."""

from __future__ import annotations

from enum import StrEnum

from headwater.domain.broadcast import Broadcast
from headwater.domain.lease import AWAITED, Lease, LeaseState, is_dead, keeps_dying

FINALISE_PATIENCE_MS = 30_000  # the queue redelivers by itself; ask again only when the question seems to be lost


class NextStep(StrEnum):
    NOTHING = "nothing"
    START_WORKER = "start_worker"  # a new generation
    START_SUCCESSOR = "start_successor"  # a new generation, while the worker that has to go works on
    ASK_FOR_TASK_AGAIN = "ask_for_task_again"  # of the same generation: whether RunTask worked is not known
    GIVE_UP = "give_up"  # whichever worker tries, it dies
    CLOSE_LEASE = "close_lease"  # nobody writes any more: shut the door, then have the recording made
    ASK_FINALISER = "ask_finaliser"


def next_step(broadcast: Broadcast, lease: Lease, now: int, start_limit_ms: int, *, task_stopped: bool) -> NextStep:
    """`task_stopped`: ECS says that the task of the lease's current generation has ended."""
    awaited_or_held = lease.state in AWAITED or lease.state is LeaseState.HELD
    gone = not awaited_or_held or task_stopped or is_dead(lease, now, start_limit_ms)
    if broadcast.is_active:
        if broadcast.session is None or lease.state is LeaseState.CLOSED:
            return NextStep.NOTHING
        if gone and keeps_dying(lease, now):
            return NextStep.GIVE_UP
        if gone:
            return NextStep.START_SUCCESSOR if lease.state is LeaseState.HANDING_OVER else NextStep.START_WORKER
        if lease.state in AWAITED and lease.task_id is None:
            return NextStep.ASK_FOR_TASK_AGAIN
        return NextStep.START_SUCCESSOR if lease.leaving and lease.state is LeaseState.HELD else NextStep.NOTHING
    if broadcast.is_settled:
        return NextStep.NOTHING
    if lease.state is LeaseState.CLOSED:
        return NextStep.ASK_FINALISER if now - lease.judged_at >= FINALISE_PATIENCE_MS else NextStep.NOTHING
    # A worker that was asked for and has not come has written nothing, and need not come any more.
    if gone or lease.state is LeaseState.REQUESTED:
        return NextStep.CLOSE_LEASE
    return NextStep.NOTHING  # the worker is still flushing

"""Stage 4 · keeps the worker's lease alive, and lets nothing be written without a recent proof that it is ours.

A proof is a heartbeat that the store accepted; it is good for three seconds, less than it takes to be replaced. Without
one, writes wait for the next: the store accepts it only if nobody has taken over. Time is monotonic, so a worker that was
stopped (SIGSTOP, a frozen host) finds out before its next write.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from headwater.domain.ids import BroadcastId, WorkerId
from headwater.domain.lease import BEAT_INTERVAL_SECONDS, WORKER_SELF_FENCE_SECONDS, Fence, Lease
from headwater.errors import DependencyUnavailable, LeaseLost
from headwater.observability import logger

UNPROVEN_SECONDS = 10.0  # this long without a proof: another worker is at work by now
RETRY_SECONDS = 0.2


class LeaseStore(Protocol):
    def acquire(self, broadcast_id: BroadcastId, generation: int, worker_id: WorkerId) -> Lease | None: ...
    def beat(self, fence: Fence) -> bool: ...
    def leave(self, fence: Fence) -> bool: ...
    def release(self, fence: Fence) -> bool: ...


class LeaseKeeper:
    def __init__(
        self, leases: LeaseStore, fence: Fence, on_lost: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.fence = fence
        self._leases = leases
        self._on_lost = on_lost
        self._clock = clock
        self._valid_until = 0.0
        self._proving = threading.Lock()
        self._lost = threading.Event()
        self._leaving = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_closed, name="lease", daemon=True)

    def acquire(self) -> bool:
        """Become the holder and start to beat; False when this generation is not waiting for a worker (any more)."""
        asked_at = self._clock()
        fence = self.fence
        if self._leases.acquire(fence.broadcast_id, fence.generation, fence.worker_id) is None:
            return False
        self._valid_until = asked_at + WORKER_SELF_FENCE_SECONDS
        self._thread.start()
        return True

    @property
    def may_write(self) -> bool:
        """Whether this worker has not lost the broadcast, as far as it knows."""
        return not self._lost.is_set()

    def check(self) -> None:
        """Returns with a fresh enough proof that the lease is ours. Raises LeaseLost."""
        while self._clock() >= self._valid_until or self._lost.is_set():
            if self._lost.is_set():
                raise LeaseLost
            try:
                with self._proving:
                    if self._clock() >= self._valid_until:
                        self.confirm()
            except DependencyUnavailable:
                self._note_failure()

    def confirm(self) -> None:
        """Ask the store now whether the lease is still ours. Raises LeaseLost, DependencyUnavailable."""
        if self._lost.is_set():
            raise LeaseLost
        asked_at = self._clock()
        if not self._leases.beat(self.fence):
            self._lose("another worker holds it")
            raise LeaseLost
        self._valid_until = max(self._valid_until, asked_at + WORKER_SELF_FENCE_SECONDS)

    def leave(self) -> bool:
        """Say that this worker has to go, and goes on until its successor takes the lease. False when it is lost already;
        raises DependencyUnavailable."""
        self._leaving = self.may_write and self._leases.leave(self.fence)
        return self._leaving

    def give_up(self, reason: str) -> None:
        """This worker can no longer do its work: write nothing more, and let another take over."""
        self._closing.set()
        self._lose(reason)

    def release(self) -> bool:
        """Everything is flushed: let go. False when the lease was lost before."""
        self.stop()
        if not self.may_write:
            return False
        try:
            return self._leases.release(self.fence)
        except DependencyUnavailable:
            return False  # it will be found dead, which only takes longer

    def stop(self) -> None:
        self._closing.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(WORKER_SELF_FENCE_SECONDS)

    def _beat_until_closed(self) -> None:
        while not self._closing.wait(BEAT_INTERVAL_SECONDS):
            try:
                self.confirm()
            except LeaseLost:
                return
            except DependencyUnavailable:
                self._note_failure()

    def _note_failure(self) -> None:
        logger().warning("heartbeat failed")
        if self._clock() - self._valid_until > UNPROVEN_SECONDS:
            self._lose("no heartbeat got through")
        self._lost.wait(RETRY_SECONDS)

    def _lose(self, reason: str) -> None:
        if not self._lost.is_set():
            self._lost.set()
            if self._leaving:
                logger().info("relieved", extra={"reason": reason})
            else:
                logger().error("lease lost", extra={"reason": reason})
            self._on_lost()

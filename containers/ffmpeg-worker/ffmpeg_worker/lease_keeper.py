"""Stage 4 · keeps the worker's lease alive, and says at any moment whether the worker may write.

A worker that could not prove for three seconds that it lives stops by itself, before anyone replaces it. Time is
monotonic, so one that was stopped (SIGSTOP, a frozen host) finds that out before its next write.
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


class LeaseStore(Protocol):
    def acquire(self, broadcast_id: BroadcastId, generation: int, worker_id: WorkerId) -> Lease | None: ...
    def beat(self, fence: Fence) -> bool: ...
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
        self._lost = threading.Event()
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
        if not self._lost.is_set() and self._clock() >= self._valid_until:
            self._lose("no heartbeat got through")
        return not self._lost.is_set()

    def check(self) -> None:
        """Raises LeaseLost unless the worker may write now."""
        if not self.may_write:
            raise LeaseLost

    def confirm(self) -> None:
        """Ask the store whether the lease is still ours. Raises LeaseLost, DependencyUnavailable."""
        self.check()
        asked_at = self._clock()
        if not self._leases.beat(self.fence):
            self._lose("another worker holds it")
            raise LeaseLost
        self._valid_until = max(self._valid_until, asked_at + WORKER_SELF_FENCE_SECONDS)

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
                logger().warning("heartbeat failed")
                if not self.may_write:
                    return

    def _lose(self, reason: str) -> None:
        if not self._lost.is_set():
            self._lost.set()
            logger().error("lease lost", extra={"reason": reason})
            self._on_lost()

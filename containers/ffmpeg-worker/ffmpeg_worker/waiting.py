"""Stage 4 · a worker that was started before anybody publishes: waits, with everything loaded, until it is given a job.

It asks its own item twice a second, and says every ten that it lives. Whoever has claimed it for a broadcast has asked for
that broadcast's lease before: it takes it as any worker does, and ends when that generation is over by then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from headwater.contracts import TranscodeJob, decode
from headwater.domain.ids import WorkerId
from headwater.domain.warm_pool import BEAT_SECONDS, LIFETIME_MS, LOOK_SECONDS, Sign, WaitingState
from headwater.errors import DependencyUnavailable
from headwater.observability import logger

LONGEST_SECONDS = LIFETIME_MS / 1000 + 3600  # nobody has told it to go: then it goes by itself


class Pool(Protocol):
    def beat(self, worker_id: WorkerId) -> bool: ...
    def sign(self, worker_id: WorkerId) -> Sign | None: ...
    def retire(self, worker_id: WorkerId) -> bool: ...


class Waiting:
    def __init__(self, pool: Pool, worker_id: WorkerId, looked: Callable[[], None] = lambda: None) -> None:
        """`looked` is called with every look."""
        self._pool = pool
        self._worker_id = worker_id
        self._looked = looked
        self._stopped = threading.Event()

    def stop(self) -> None:
        """From a signal handler: wait no longer."""
        self._stopped.set()

    def job(self) -> TranscodeJob | None:
        """The job, as soon as there is one; None when there will be none, or `stop` came first."""
        began_at = time.monotonic()
        beat_at = began_at - BEAT_SECONDS
        while not self._stopped.is_set():
            now = time.monotonic()
            if now - began_at > LONGEST_SECONDS:
                self._stopped.set()
                break
            try:
                if now - beat_at >= BEAT_SECONDS:
                    self._pool.beat(self._worker_id)
                    beat_at = now
                sign = self._pool.sign(self._worker_id)
            except DependencyUnavailable:
                logger().warning("cannot ask for a job")
            else:
                if sign is not None and sign.state is not WaitingState.WAITING:
                    return _job_of(sign)
            self._looked()
            self._stopped.wait(LOOK_SECONDS)
        return self._last_look()

    def _last_look(self) -> TranscodeJob | None:
        """Nobody may claim it from here on. Who just has hears of it sooner from a worker that comes and goes at once."""
        try:
            return None if self._pool.retire(self._worker_id) else _job_of(self._pool.sign(self._worker_id))
        except DependencyUnavailable:
            return None


def _job_of(sign: Sign | None) -> TranscodeJob | None:
    return decode(sign.job, TranscodeJob) if sign is not None and sign.job is not None else None

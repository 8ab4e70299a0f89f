"""Stage 1 → 2 · delivers dones until the API accepts them: one by one for each connection, several connections at once."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from rtmp_ingest.done_spool import DoneSpool, SpooledDone
from rtmp_ingest.hook import Hook
from rtmp_ingest.hooks_api import HooksApi, HooksUnreachable

LANES = 8  # a node that loses all its publishers at once must tell so within seconds
ATTEMPT_SECONDS = 5.0
STOP_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 10.0

log = logging.getLogger(__name__)


Lane = deque[SpooledDone]  # go out in order; the first one stays here until it is accepted


class DoneSender:
    def __init__(self, spool: DoneSpool, api: HooksApi) -> None:
        self._spool = spool
        self._api = api
        self._changed = threading.Condition()
        self._lanes = [Lane() for _ in range(LANES)]
        self._held: dict[str, int] = {}  # client id → when its publish, under way now, was fired
        self._nudges = 0
        self._stopping = False
        self._threads = [threading.Thread(target=self._work, args=(lane,), daemon=True) for lane in self._lanes]

    def start(self) -> None:
        for done in self._spool.left_behind():
            self._enqueue(done)
        for thread in self._threads:
            thread.start()

    def put(self, done: SpooledDone) -> None:
        """Take responsibility for `done`: on return it is on disk. A full disk keeps it in memory only, and says so."""
        try:
            done = self._spool.write(done)
        except OSError as error:
            log.warning("done kept in memory only, the spool cannot be written: %s", error.strerror)
        self._enqueue(done)

    @contextmanager
    def held_back(self, publish: Hook) -> Iterator[None]:
        """`publish` is on its way: a later done of its connection must not overtake it."""
        with self._changed:
            self._held[publish.client_id] = publish.occurred_at
        try:
            yield
        finally:
            with self._changed:
                self._held.pop(publish.client_id, None)
                self._changed.notify_all()

    def settle(self, publish: Hook, timeout_seconds: float) -> None:
        """Give earlier dones of the same connection or the same key the chance to arrive before `publish`."""

        def settled() -> bool:
            return not any(publish.follows(done.hook) for lane in self._lanes for done in lane)

        with self._changed:
            if settled():
                return
            self._nudge()
            self._changed.wait_for(settled, timeout_seconds)

    def flush(self, timeout_seconds: float) -> int:
        """Wait until everything is delivered; how many dones stay on disk for the next run."""
        with self._changed:
            self._nudge()
            self._changed.wait_for(lambda: self._count() == 0, timeout_seconds)
            return self._count()

    @property
    def waiting(self) -> int:
        with self._changed:
            return self._count()

    def stop(self) -> None:
        """An attempt under way is left to itself: if it succeeds unseen, the next run repeats it, which changes nothing."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        give_up_at = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, give_up_at - time.monotonic()))

    def _enqueue(self, done: SpooledDone) -> None:
        lane = self._lanes[int(done.hook.client_id or 0) % LANES]
        with self._changed:
            lane.append(done)
            self._changed.notify_all()

    def _work(self, lane: Lane) -> None:
        while (done := self._next(lane)) is not None:
            pause = FIRST_PAUSE_SECONDS
            while not self._is_accepted(done):
                if not self._rest(random.uniform(pause / 2, pause)):  # noqa: S311 jitter, not a secret
                    return
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            self._spool.remove(done)
            with self._changed:
                lane.popleft()
                self._changed.notify_all()

    def _next(self, lane: Lane) -> SpooledDone | None:
        def ready() -> bool:
            return self._stopping or (bool(lane) and not self._is_held(lane[0].hook))

        with self._changed:
            self._changed.wait_for(ready)
            return None if self._stopping else lane[0]

    def _is_held(self, done: Hook) -> bool:
        publish_at = self._held.get(done.client_id)
        return publish_at is not None and done.occurred_at > publish_at

    def _is_accepted(self, done: SpooledDone) -> bool:
        try:
            answer = self._api.post(done.origin, done.hook.body, ATTEMPT_SECONDS)
        except HooksUnreachable:
            log.warning("done of client %s not delivered, the API does not answer; trying again", done.hook.client_id)
            return False
        if 400 <= answer.status < 500 and answer.status != 401 and answer.deliberate:  # our own function's last word
            log.error("done of client %s dropped, the API answered %d", done.hook.client_id, answer.status)
            return True
        if not 200 <= answer.status < 300:
            log.warning("done of client %s not accepted (%d); trying again", done.hook.client_id, answer.status)
            return False
        return True

    def _rest(self, seconds: float) -> bool:
        """Wait, shorter when nudged; False when stopping."""
        with self._changed:
            seen = self._nudges
            self._changed.wait_for(lambda: self._stopping or self._nudges != seen, seconds)
            return not self._stopping

    def _nudge(self) -> None:
        self._nudges += 1
        self._changed.notify_all()

    def _count(self) -> int:
        return sum(len(lane) for lane in self._lanes)

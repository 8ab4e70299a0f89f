"""Stages 2–4 · the one way to change a broadcast: load, decide, commit on condition of the version, send the outbox.

Whatever a decision has to tell others is committed in the same write (the outbox), sent afterwards, and struck out once
it was sent. So it is sent at least once: if this process dies in between, whoever changes the stream next, or the sweep,
sends what is left. Receivers are idempotent.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from headwater.domain.broadcast import BroadcastEventName, StreamControl
from headwater.domain.broadcast_events import Event
from headwater.domain.broadcast_rules import decide
from headwater.domain.decision import Decision
from headwater.domain.ids import StreamId
from headwater.errors import Conflict, DependencyUnavailable, NotFound, StateContended
from headwater.observability import count, logger, measure_ms

ATTEMPTS = 12
FIRST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.1


class ControlStore(Protocol):
    """One item per stream; writes are conditional. A lost race is the answer False."""

    def load(self, stream_id: StreamId) -> StreamControl | None: ...
    def create(self, control: StreamControl) -> bool: ...
    def commit(self, control: StreamControl, expected_version: int) -> bool: ...


class OutboxSender(Protocol):
    """Sends `control.news` and `control.pulses`; returns only when all were accepted, else DependencyUnavailable."""

    def send(self, control: StreamControl) -> None: ...


def unix_ms() -> int:
    return time.time_ns() // 1_000_000


class Broadcasts:
    def __init__(self, controls: ControlStore, outbox: OutboxSender, clock: Callable[[], int] = unix_ms) -> None:
        self._controls = controls
        self._outbox = outbox
        self._clock = clock

    def read(self, stream_id: StreamId) -> StreamControl | None:
        """The hot state of the stream, strongly consistent."""
        return self._controls.load(stream_id)

    def create(self, control: StreamControl) -> None:
        """A new stream. Raises Conflict when there already is one of this id."""
        if not self._controls.create(control):
            raise Conflict

    def apply(self, stream_id: StreamId, event: Event, *, seen: StreamControl | None = None) -> Decision:
        """Let `event` happen to the stream, and answer with what it did and the state from then on.

        `seen` is the state if the caller has read it just now, and spares the first read.
        Raises NotFound, StateContended (lost too many races), DependencyUnavailable (the state could not be read or
        written). That the outbox could not be sent is no failure of the event, which is committed: `control.news` and
        `control.pulses` of the answer are then not empty.
        """
        for attempt in range(ATTEMPTS):
            if attempt:
                _pause(attempt)
            before = seen if seen is not None and attempt == 0 else self._controls.load(stream_id)
            if before is None:
                raise NotFound
            decision = decide(before, event, self._clock())
            after = decision.control
            if decision.changes(before):
                after = replace(after, version=before.version + 1)
                if not self._controls.commit(after, before.version):
                    continue
                _report(before, after)
            return replace(decision, control=self._deliver(after))
        raise StateContended

    def deliver(self, stream_id: StreamId) -> StreamControl | None:
        """Send what an earlier writer committed but could not send; the stream's state from then on."""
        control = self._controls.load(stream_id)
        return None if control is None else self._deliver(control)

    def _deliver(self, control: StreamControl) -> StreamControl:
        if not (control.news or control.stream_news or control.pulses):
            return control
        try:
            self._outbox.send(control)
        except DependencyUnavailable:
            logger().exception("outbox not sent", extra={"stream_id": control.stream_id})
            count("OutboxNotSent")
            return control
        sent = replace(control, news=(), stream_news=(), pulses=(), version=control.version + 1)
        try:
            if self._controls.commit(sent, control.version):
                return sent
        except DependencyUnavailable:
            count("OutboxNotStruckOut")
        # Somebody changed the stream meanwhile; our entries went along in their write, and they send them again.
        return replace(sent, version=control.version)


def _report(before: StreamControl, after: StreamControl) -> None:
    """One line for everything that has just become true of a broadcast, wherever on the path it did (docs/runbook.md)."""
    for news in after.news[len(before.news) :]:
        broadcast = news.broadcast
        ids = {"stream_id": after.stream_id, "broadcast_id": broadcast.broadcast_id}
        logger().info("broadcast changed", extra={**ids, "news": news.name, "end_reason": broadcast.end_reason})
        if news.name is BroadcastEventName.LIVE and broadcast.live_at is not None:
            measure_ms("GoLiveDelay", broadcast.live_at - broadcast.started_at)


def _pause(attempt: int) -> None:
    """Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter")."""
    time.sleep(random.uniform(0, min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt)))  # noqa: S311 - no secret

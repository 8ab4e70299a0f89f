"""Stage 4 · the worker of one broadcast: follows its publish sessions, one after the other, until the broadcast ends.

It owns the broadcast, not a publish session: an encoder that drops and comes back is picked up from the hot state, with
a new epoch. It goes when the broadcast has ended, when nobody publishes for long, when it is told to, or when it is no longer
the holder of the lease. Told that its machine is taken back, it says so and works on until its successor has the lease.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ffmpeg_worker.publish_session import PublishSessionReader, SessionEnd
from ffmpeg_worker.segment_sink import SegmentSink
from ffmpeg_worker.source_reader import SourceAddress
from ffmpeg_worker.tag_buffer import ResumePoint
from headwater.contracts import TranscodeJob
from headwater.domain.broadcast import Broadcast, EndReason, PublishSession, StreamControl
from headwater.domain.broadcast_events import Event, MediaSeen, SourceRefused
from headwater.domain.decision import Decision
from headwater.domain.ids import BroadcastId, StreamId
from headwater.errors import (
    DependencyUnavailable,
    HeadwaterError,
    NotFound,
    SourceUnplayable,
    StateContended,
    TranscodeFailed,
)
from headwater.observability import count, logger

POLL_SECONDS = 1.0
READER_SECONDS, FLUSH_SECONDS = 5.0, 8.0  # together less than ten
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 2.0
TELL_SECONDS = 30.0
CRASHES = 5  # of the reader, on one session: then there is something in it that we have no answer to
SUPERSEDED_SECONDS = 20.0  # the rest of a session that is over is still at its node, and may take this long to read
NODE_GONE_SECONDS = 2.0  # unless the node is gone, too


class HotState(Protocol):
    def read(self, stream_id: StreamId) -> StreamControl | None: ...
    def apply(self, stream_id: StreamId, event: Event) -> Decision: ...


class Pulses(Protocol):
    def pulse(self, stream_id: StreamId, broadcast_id: BroadcastId) -> None: ...


class Lease(Protocol):
    @property
    def may_write(self) -> bool: ...
    def acquire(self) -> bool: ...
    def leave(self) -> bool: ...
    def release(self) -> bool: ...


class Sink(SegmentSink, Protocol):
    def resume_point(self, session_serial: int) -> ResumePoint | None: ...
    def close(self, seconds: float) -> bool: ...


class WorkerEnd(StrEnum):
    NOT_NEEDED = "not_needed"  # another worker has the lease, or nobody asked for this one
    BROADCAST_OVER = "broadcast_over"
    NOBODY_PUBLISHES = "nobody_publishes"
    TOLD_TO_STOP = "told_to_stop"
    HANDED_OVER = "handed_over"  # its machine is taken back, and another one works on
    LEASE_LOST = "lease_lost"


@dataclass(slots=True)
class _Following:
    """A publish session being read in a thread of its own."""

    serial: int
    pull_url: str
    reader: PublishSessionReader
    thread: threading.Thread
    over_since: float | None = None  # as far as the hot state says

    def may_finish(self) -> bool:
        """Whether it still reads what was published before it was over."""
        self.over_since = self.over_since or time.monotonic()
        if self.reader.cut_off_seconds > NODE_GONE_SECONDS:
            return False
        return self.thread.is_alive() and time.monotonic() - self.over_since < SUPERSEDED_SECONDS


class Worker:
    def __init__(
        self,
        job: TranscodeJob,
        hot_state: HotState,
        pulses: Pulses,
        lease: Lease,
        open_sink: Callable[[Callable[[int], None]], Sink],
        linger_seconds: float,
        hand_over_seconds: float = 0.0,
        looked: Callable[[], None] = lambda: None,
    ) -> None:
        """`open_sink` is called once the lease is held, with what to call when a segment of a session is committed; `looked`
        with every look at the broadcast. `hand_over_seconds`: how long a successor is waited for at most."""
        self._looked = looked
        self._job = job
        self._hot_state = hot_state
        self._pulses = pulses
        self._lease = lease
        self._open_sink = open_sink
        self._linger_seconds = linger_seconds
        self._wake = threading.Event()
        self._told_to_stop = False
        self._hand_over_seconds = hand_over_seconds
        self._leaving_by: float | None = None
        self._said_that_it_leaves = False
        self._following: _Following | None = None
        self._retry_at = 0.0
        self._retries = 0
        self._idle_since: float | None = None
        self._last_followed: tuple[str, int] | None = None  # pull URL, serial
        self._refused: set[int] = set()
        self._crashes: Counter[int] = Counter()  # by session
        self._announced: set[int] = set()
        self._announcing: list[threading.Thread] = []

    def stop(self) -> None:
        """From a signal handler: end the open segment, store it, and go."""
        self._told_to_stop = True
        self._wake.set()

    def hand_over(self) -> None:
        """From a signal handler: the machine is taken back. Have a successor come, work on until it has, and go."""
        self._leaving_by = self._leaving_by or time.monotonic() + self._hand_over_seconds
        self._wake.set()

    def wake(self) -> None:
        """Look again now: something happened."""
        self._wake.set()

    def run(self) -> WorkerEnd:
        if not self._lease.acquire():
            logger().info("no lease for this worker")
            return WorkerEnd.NOT_NEEDED
        sink = self._open_sink(self._segment_committed)
        end: WorkerEnd | None = None
        leaving_at = time.monotonic()
        try:
            while end is None:
                end = self._look(sink)
                self._looked()
                if end is None:
                    self._wake.wait(POLL_SECONDS)
                    self._wake.clear()
            leaving_at = time.monotonic()
        finally:
            self._stop_following()
        return self._leave(sink, end, leaving_at + FLUSH_SECONDS)

    def _look(self, sink: Sink) -> WorkerEnd | None:
        """Compare what is with what should be; the reason to go, if there is one."""
        if not self._lease.may_write:
            return WorkerEnd.HANDED_OVER if self._said_that_it_leaves else WorkerEnd.LEASE_LOST
        if self._must_go():
            return WorkerEnd.TOLD_TO_STOP
        try:
            broadcast = self._broadcast()
        except DependencyUnavailable:
            return None  # what is running goes on; the lease says when it may not
        following = self._following
        if broadcast is None or not broadcast.is_active:
            return None if following is not None and following.may_finish() else WorkerEnd.BROADCAST_OVER
        session = broadcast.session
        if following is not None and (session is None or session.serial != following.serial):
            same_source = session is not None and session.pull_url == following.pull_url
            if following.thread.is_alive() and session is None:
                return None  # the hot state may be ahead of the stream itself, or behind: what still comes is taken
            if not same_source and following.may_finish():
                return None  # what comes next waits at its node
            # Of the same source another reader takes the open segment: it ends where the encoder ends it.
            self._stop_following(flush=not same_source)
        elif following is not None and not following.thread.is_alive():
            self._following = None
            self._back_off()
        if session is None or session.serial in self._refused:
            return self._linger()
        self._idle_since = None
        if self._following is None and time.monotonic() >= self._retry_at:
            self._follow(session, sink)
        return None

    def _must_go(self) -> bool:
        if self._told_to_stop or self._leaving_by is None:
            return self._told_to_stop
        if self._following is None or time.monotonic() >= self._leaving_by:
            return True  # there is nothing to hand over, or nobody has come
        if not self._said_that_it_leaves:
            self._say_that_it_leaves()
        return False

    def _say_that_it_leaves(self) -> None:
        try:
            self._said_that_it_leaves = self._lease.leave()
            self._pulses.pulse(self._job.stream_id, self._job.broadcast_id)
        except HeadwaterError:
            logger().warning("cannot say that this worker leaves" if not self._said_that_it_leaves else "no pulse sent")

    def _linger(self) -> WorkerEnd | None:
        now = time.monotonic()
        self._idle_since = self._idle_since or now
        return WorkerEnd.NOBODY_PUBLISHES if now - self._idle_since > self._linger_seconds else None

    def _broadcast(self) -> Broadcast | None:
        control = self._hot_state.read(self._job.stream_id)
        return control.find(self._job.broadcast_id) if control else None

    # --- publish sessions ---

    def _follow(self, session: PublishSession, sink: Sink) -> None:
        known_as = session.serial
        if self._last_followed is not None and self._last_followed[0] == session.pull_url:
            known_as = self._last_followed[1]  # its hooks failed for a while: it claimed anew, and never stopped
        self._last_followed = session.pull_url, session.serial
        resume = sink.resume_point(session.serial) or sink.resume_point(known_as)
        reader = PublishSessionReader(SourceAddress.parse(session.pull_url), session.serial, sink, resume)
        thread = threading.Thread(target=self._read, args=(reader, session.serial), name=f"session-{session.serial}")
        self._following = _Following(session.serial, session.pull_url, reader, thread)
        logger().info("following a publish session", extra={"session": session.serial})
        thread.start()

    def _read(self, reader: PublishSessionReader, serial: int) -> None:
        began_at = time.monotonic()
        try:
            end = reader.run()
            logger().info("publish session over", extra={"session": serial, "end": end})
            if end is SessionEnd.SOURCE_GONE and time.monotonic() - began_at > LONGEST_PAUSE_SECONDS:
                self._retries = 0
        except SourceUnplayable as error:
            self._refuse(serial, EndReason.SOURCE_REFUSED, error.detail)
        except TranscodeFailed as error:
            self._refuse(serial, EndReason.TRANSCODE_FAILED, error.detail)
        except Exception:
            logger().exception("reader crashed", extra={"session": serial})
            count("ReaderCrashes")
            self._crashes[serial] += 1
            if self._crashes[serial] == CRASHES:
                self._refuse(serial, EndReason.TRANSCODE_FAILED, "The transcoder keeps failing on this stream.")
        finally:
            self._wake.set()

    def _refuse(self, serial: int, reason: EndReason, detail: str) -> None:
        logger().error("source refused", extra={"session": serial, "reason": detail})
        self._refused.add(serial)
        self._tell(SourceRefused(self._job.broadcast_id, serial, reason, detail))

    def _back_off(self) -> None:
        """The session is still current, but cannot be pulled: try again, a little later each time."""
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self._retries, 10))
        self._retries += 1
        self._retry_at = time.monotonic() + pause

    def _stop_following(self, *, flush: bool = True) -> None:
        following, self._following = self._following, None
        if following is not None:
            following.reader.stop(flush=flush and self._lease.may_write)
            following.thread.join(READER_SECONDS)
            self._retries, self._retry_at = 0, 0.0

    # --- telling others ---

    def _segment_committed(self, serial: int) -> None:
        if serial in self._announced:
            return
        self._announced.add(serial)
        following = self._following  # by its own reader's thread, so it is the one that has this session
        millicpu = following.reader.millicpu if following is not None and following.serial == serial else None
        event = MediaSeen(self._job.broadcast_id, serial, millicpu)
        thread = threading.Thread(target=self._tell, args=(event,), name="media-seen", daemon=True)
        self._announcing.append(thread)
        thread.start()

    def _tell(self, event: Event) -> None:
        """Commit `event` to the hot state; persistent, because nobody else knows of it."""
        give_up_at = time.monotonic() + TELL_SECONDS
        while self._lease.may_write and time.monotonic() < give_up_at:
            try:
                self._hot_state.apply(self._job.stream_id, event)
            except NotFound:
                return
            except (DependencyUnavailable, StateContended):
                time.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - no secret
            else:
                return

    def _leave(self, sink: Sink, end: WorkerEnd, flush_until: float) -> WorkerEnd:
        lost = end in (WorkerEnd.LEASE_LOST, WorkerEnd.HANDED_OVER)
        flushed = sink.close(0.0 if lost else max(1.0, flush_until - time.monotonic()))
        for thread in self._announcing:
            thread.join(1.0)
        if self._lease.release():
            try:
                self._pulses.pulse(self._job.stream_id, self._job.broadcast_id)
            except HeadwaterError:
                logger().warning("no pulse sent; the next one is at most seconds away")
        logger().info("worker ends", extra={"end": end, "flushed": flushed})
        return end

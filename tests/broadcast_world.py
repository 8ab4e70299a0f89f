"""A small world around one stream: encoders on nodes, an owner, workers, a finaliser, queues that lose and repeat, and time.

The real `Broadcasts`, dispatcher and sweep run in it, over memory. Every step is followed by a look at the invariants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from functions.broadcast_sweep.sweep_broadcasts import SweepBroadcasts
from functions.transcode_dispatch.look_at_broadcast import LookAtBroadcast
from functions.transcode_dispatch.wire import Look
from headwater.contracts import BroadcastPulse, FinaliseRecording
from headwater.domain.broadcast import (
    Broadcast,
    EndReason,
    SessionRef,
    StreamControl,
    StreamSettings,
)
from headwater.domain.broadcast_events import (
    Configure,
    Decline,
    Delete,
    DeleteRecording,
    Done,
    Event,
    Finalised,
    MediaSeen,
    Publish,
    RotateKey,
    SourceRefused,
    Start,
    Stop,
    Update,
    Withhold,
)
from headwater.domain.ids import BroadcastId, StreamId, UserId, WorkerId
from headwater.domain.lease import Fence
from headwater.errors import DependencyUnavailable
from tests.broadcast_sightings import Sightings
from tests.fakes import (
    MemoryLeases,
    MemoryQueue,
    MemoryTasks,
    memory_broadcasts,
)

STREAM = StreamId("0" * 22)
START_LIMIT_MS = 20_000
LONGEST_CALM_LOOKS = 400
JUMPS_MS = (1, 400, 1_000, 2_000, 4_100, 9_000, 31_000, 62_000)
WINDOWS_SECONDS = (60, 0, 5, 1_800)


class Crash(BaseException):
    """The process dies between committing and sending."""


@dataclass
class Message:
    deliver_at: int
    look: Look


@dataclass
class Worker:
    fence: Fence
    task_id: str


class World:
    def __init__(self) -> None:
        control = StreamControl(STREAM, UserId("owner"))
        self.broadcasts, self.controls, self.outbox, self.clock = memory_broadcasts(control)
        self.leases, self.tasks = MemoryLeases(), MemoryTasks()
        self.pulse_queue, self.finalise_queue = MemoryQueue(), MemoryQueue()
        self.dispatch = LookAtBroadcast(
            self.broadcasts, self.leases, self.tasks, self.pulse_queue, self.finalise_queue, self.clock, START_LIMIT_MS
        )
        self.sweep_all = SweepBroadcasts(self.broadcasts, self.controls, self.outbox, self.clock)
        self.queue: list[Message] = []
        self.lost: set[BroadcastId] = set()  # broadcasts of which a pulse was lost since the last sweep
        self.hooks: list[Event] = []  # every hook ever sent, to be delivered again
        self.sessions: list[SessionRef] = []
        self.workers: list[Worker] = []
        self.born = 0
        self.crash_next = False
        self.outbox_send, self.outbox.send = self.outbox.send, self._send  # type: ignore[method-assign]
        self.seen = Sightings()

    @property
    def control(self) -> StreamControl:
        return self.controls.items[STREAM]

    @property
    def broadcast(self) -> Broadcast | None:
        return self.control.broadcast

    # -- what can happen: each takes two small numbers that say to whom and how ----------------------------------

    def publish(self, who: int, how: int) -> None:
        ref = SessionRef(f"node-{who % 2}", str(who % 4), self.clock.now)
        self.sessions.append(ref)
        self.born += 1
        version = self.control.key_version - (how == 7)
        self._hook(Publish(ref, version, BroadcastId(f"{self.born:022d}"), f"http://n/sources/{self.born}"), how)

    def update(self, who: int, how: int) -> None:
        if self.sessions:
            ref = self.sessions[-1 - who % len(self.sessions)]
            version = self.control.key_version - (how == 7)
            self._hook(Update(ref.node, ref.client_id, self.clock.now, version, how * 4), how)

    def done(self, who: int, how: int) -> None:
        if self.sessions:
            ref = self.sessions[-1 - who % len(self.sessions)]
            self._hook(Done(ref.node, ref.client_id, self.clock.now), how)

    def late_hook(self, which: int, _: int) -> None:
        if self.hooks:
            self._apply(self.hooks[-1 - which % len(self.hooks)])

    def media(self, which: int, how: int) -> None:
        if self.broadcast is not None:
            serial = max(1, self.broadcast.sessions - which % 2)
            self._apply(MediaSeen(self.broadcast.broadcast_id, serial))

    def refuse_source(self, which: int, how: int) -> None:
        if self.broadcast is not None and how < 3:
            serial = max(1, self.broadcast.sessions - which % 3)
            reason = EndReason.TRANSCODE_FAILED if how else EndReason.SOURCE_REFUSED
            self._apply(SourceRefused(self.broadcast.broadcast_id, serial, reason, "HEVC"))

    def owner(self, what: int, how: int) -> None:
        settings = StreamSettings(WINDOWS_SECONDS[how % 4], auto_start=how < 4)
        actions: list[Event] = [Start(), Stop(), Stop(), RotateKey(), Configure(settings), Decline("no"), Start()]
        self._apply(actions[what] if what < 7 else Delete() if how == 7 else Stop())

    def library(self, which: int, how: int) -> None:
        """The owner withholds a broadcast, releases it, or deletes its recording."""
        if self.broadcast is not None:
            broadcast_id = [*self.control.previous, self.broadcast][
                which % (len(self.control.previous) + 1)
            ].broadcast_id
            self._apply(DeleteRecording(broadcast_id) if how == 7 else Withhold(broadcast_id, how < 4))

    def time(self, jump: int, _: int) -> None:
        self.clock.advance(JUMPS_MS[jump])

    def pulse(self, which: int, how: int) -> None:
        """Deliver one, perhaps before its time; keep it for another delivery, or lose it."""
        if not self.queue:
            return
        message = self.queue[which % len(self.queue)]
        if how != 6:
            self.queue.remove(message)
        if how == 7:
            self.lost.add(message.look.broadcast_id)
        else:
            self.clock.now = max(self.clock.now, message.deliver_at - (400 if how == 5 else 0))
            self._look(message.look)

    def due_pulse(self, _: int, __: int) -> None:
        if self.queue:
            message = min(self.queue, key=lambda each: each.deliver_at)
            self.queue.remove(message)
            self.clock.now = max(self.clock.now, message.deliver_at)
            self._look(message.look)

    def sweep(self, _: int, __: int) -> None:
        try:
            self.sweep_all()
        except Crash:
            return
        self.lost -= {broadcast_id for _, broadcast_id in self.outbox.nudges}
        self._collect()

    def weather(self, what: int, how: int) -> None:
        """Something breaks, or mends."""
        broken = how < 3
        match what % 6:
            case 0:
                self.outbox.broken = broken
            case 1:
                self.tasks.broken = broken
            case 2:
                self.tasks.mute = broken
            case 3:
                self.finalise_queue.broken = broken
            case 4:
                self.crash_next = broken
            case 5:
                self.controls.broken = broken

    def worker_comes(self, which: int, _: int) -> None:
        second = which >= 6  # of a task that has one
        taken = set() if second else {worker.task_id for worker in self.workers}
        waiting = [task for task in self.tasks.running if task.task_id not in taken]
        if waiting:
            task = waiting[which % len(waiting)]
            fence = Fence(task.job.broadcast_id, task.job.generation, WorkerId(f"w{which}-{task.task_id}"))
            if self.leases.acquire(fence.broadcast_id, fence.generation, fence.worker_id) is None:
                task.running = task.task_id in taken
                return
            self.workers.append(Worker(fence, task.task_id))
            self.seen.writer(fence)

    def worker_beats(self, which: int, _: int) -> None:
        if self.workers:
            worker = self.workers[which % len(self.workers)]
            control = self.control
            found = control.find(worker.fence.broadcast_id)
            over = found is None or not found.is_active
            if over or not self.leases.beat(worker.fence):
                self.leases.release(worker.fence)
                self._end_task(worker, told=True)

    def worker_dies(self, which: int, how: int) -> None:
        if self.workers:
            self._end_task(self.workers[which % len(self.workers)], told=how < 5)

    def worker_leaves(self, which: int, how: int) -> None:
        """Its machine is taken back: it says so and works on, or has waited for a successor for as long as it could."""
        if self.workers:
            worker = self.workers[which % len(self.workers)]
            if how < 6:
                self.leases.leave(worker.fence)
                self.queue.append(Message(self.clock.now, Look(STREAM, worker.fence.broadcast_id)))
            elif self.leases.release(worker.fence):
                self._end_task(worker, told=how == 6)

    def finalise(self, _: int, how: int) -> None:
        if self.finalise_queue.sent:
            message, _delay = self.finalise_queue.sent[0] if how == 7 else self.finalise_queue.sent.pop(0)
            assert isinstance(message, FinaliseRecording)
            found = self.control.find(message.broadcast_id)
            if found is not None and not found.is_active:
                self.leases.close_whatever(message.broadcast_id)
                self._apply(Finalised(message.broadcast_id, 4.0 if found.live_at else 0.0, ("720p",)))

    def finalise_too_early(self, _: int, __: int) -> None:
        if self.broadcast is not None:
            self._apply(Finalised(self.broadcast.broadcast_id, 4.0))

    # -- afterwards -----------------------------------------------------------------------------------------------

    def calm_down(self) -> None:
        """Everything is mended, encoders go, messages arrive: the stream must come to rest by itself."""
        self.outbox.broken = self.tasks.broken = self.tasks.mute = self.finalise_queue.broken = self.crash_next = False
        self.controls.broken = False
        for _ in range(LONGEST_CALM_LOOKS):
            if not self.control.needs_attention:
                break
            self.clock.advance(20_000)  # every message is late, which saves looks
            if self.queue:
                self.due_pulse(0, 0)
            else:
                self.clock.advance(60_000)
                self.sweep(0, 0)
            for number in reversed(range(len(self.workers))):
                self.worker_beats(number, 0)
            self.finalise(0, 0)
            self.check()
        assert not self.control.needs_attention, f"never settled: {self.control}"
        while self.queue:
            self.due_pulse(0, 0)
        assert not self.control.needs_attention

    # -- machinery ------------------------------------------------------------------------------------------------

    def _hook(self, hook: Event, how: int) -> None:
        """Sent by a node; `how` says whether it arrives at once, twice, or later if ever."""
        self.hooks.append(hook)
        for _ in range({5: 2, 6: 0}.get(how, 1)):
            self._apply(hook)

    def _apply(self, event: Event) -> None:
        before = self.control
        try:
            decision = self.broadcasts.apply(STREAM, event)
        except (Crash, DependencyUnavailable):
            pass
        else:
            self.seen.answer(before, event, decision, self.clock.now)
        self._collect()

    def _look(self, look: Look) -> None:
        try:
            self.dispatch(look)
        except (Crash, DependencyUnavailable):
            self.queue.append(Message(self.clock.now + 60_000, look))  # not deleted, so SQS hands it out again
        self._collect()

    def _send(self, control: StreamControl) -> None:
        if self.crash_next:
            self.crash_next = False
            raise Crash
        self.outbox_send(control)

    def _collect(self) -> None:
        """What was sent to SQS is on its way."""
        now = self.clock.now
        for pulse in self.outbox.pulses:
            self.queue.append(Message(now + pulse.delay_ms, Look(STREAM, pulse.broadcast_id, pulse.due)))
        for _stream, broadcast_id in self.outbox.nudges:
            self.queue.append(Message(now, Look(STREAM, broadcast_id)))
        for message, delay in self.pulse_queue.sent:
            assert isinstance(message, BroadcastPulse)
            self.queue.append(Message(now + 1_000 * delay, Look(STREAM, message.broadcast_id, message.due)))
        self.outbox.pulses.clear()
        self.outbox.nudges.clear()
        self.pulse_queue.sent.clear()

    def _end_task(self, worker: Worker, *, told: bool) -> None:
        self.workers.remove(worker)
        self.tasks.stop(worker.task_id, "") if not self.tasks.broken else None
        if told:
            fence = worker.fence
            look = Look(STREAM, fence.broadcast_id, None, worker.task_id, fence.generation)
            self.queue.append(Message(self.clock.now, look))

    def check(self) -> None:
        self.seen.check(self.control)
        writers = {worker.fence for worker in self.workers if self.leases.may_write(worker.fence)}
        assert len(writers) == len({fence.broadcast_id for fence in writers}), f"several may write: {writers}"
        outstanding = {(m.look.broadcast_id, m.look.due) for m in self.queue}
        outstanding |= {(pulse.broadcast_id, pulse.due) for pulse in self.control.pulses}
        for broadcast in self.control.unsettled:
            if broadcast.broadcast_id in self.lost:
                continue
            nudged = (broadcast.broadcast_id, None) in outstanding
            chained = (broadcast.broadcast_id, broadcast.next_pulse_at) in outstanding
            assert chained or nudged, f"the chain of pulses is lost: {broadcast}"


STEPS: tuple[Callable[[World, int, int], None], ...] = (
    World.publish, World.publish, World.update, World.update, World.done, World.late_hook, World.media, World.media,
    World.refuse_source, World.owner, World.library,
    World.time, World.time, World.pulse, World.due_pulse, World.due_pulse, World.sweep,
    World.weather, World.worker_comes, World.worker_beats, World.worker_dies, World.worker_leaves, World.finalise,
    World.finalise_too_early,
)  # fmt: skip

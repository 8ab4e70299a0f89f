"""Once a minute, whatever was lost is made good, and nothing that lives is disturbed."""

from __future__ import annotations

from functions.broadcast_sweep.stop_orphans import StopOrphans
from functions.broadcast_sweep.sweep_broadcasts import OVERDUE_MS, SweepBroadcasts
from headwater.adapters.transcode_tasks import RunningTask
from headwater.domain.broadcast_events import Stop, Tick
from headwater.domain.ids import BroadcastId, StreamId, new_id
from headwater.domain.orphans import LONGEST_RECONNECT_MS, SPARED_MS
from headwater.errors import DependencyUnavailable
from tests.factories import publish, stream_control
from tests.fakes import memory_broadcasts


def test_a_broadcast_whose_pulse_was_lost_is_nudged_and_one_that_is_looked_after_is_not() -> None:
    lost, fine = stream_control(), stream_control()
    broadcasts, controls, outbox, clock = memory_broadcasts(lost, fine)
    events = {control.stream_id: publish() for control in (lost, fine)}
    for stream_id, event in events.items():
        broadcasts.apply(stream_id, event)
    clock.advance(OVERDUE_MS)
    broadcasts.apply(fine.stream_id, Tick(events[fine.stream_id].candidate_id))
    SweepBroadcasts(broadcasts, controls, outbox, clock)()
    assert outbox.nudges == [(lost.stream_id, events[lost.stream_id].candidate_id)]


def test_every_unfinished_broadcast_of_a_stream_is_swept() -> None:
    control = stream_control()
    broadcasts, controls, outbox, clock = memory_broadcasts(control)
    for _ in range(3):
        broadcasts.apply(control.stream_id, publish())
        broadcasts.apply(control.stream_id, Stop())
        clock.advance(1)
    ids = [broadcast.broadcast_id for broadcast in controls.items[control.stream_id].unsettled]
    clock.advance(OVERDUE_MS)
    SweepBroadcasts(broadcasts, controls, outbox, clock)()
    assert [broadcast_id for _, broadcast_id in outbox.nudges] == ids


def test_what_could_not_be_sent_is_sent_by_the_sweep() -> None:
    control = stream_control()
    broadcasts, controls, outbox, clock = memory_broadcasts(control)
    outbox.broken = True
    broadcasts.apply(control.stream_id, publish())
    assert outbox.news == []
    outbox.broken = False
    SweepBroadcasts(broadcasts, controls, outbox, clock)()
    assert len(outbox.news) == len(outbox.pulses) == 1
    assert not controls.items[control.stream_id].news


def test_one_stream_that_cannot_be_swept_does_not_keep_the_others_from_it() -> None:
    streams = [stream_control() for _ in range(3)]
    broadcasts, controls, outbox, clock = memory_broadcasts(*streams)
    for control in streams:
        broadcasts.apply(control.stream_id, publish())
    clock.advance(OVERDUE_MS)
    refuse, pulse = streams[0].stream_id, outbox.pulse

    def failing(stream_id, broadcast_id):  # type: ignore[no-untyped-def]
        outbox.broken = stream_id == refuse
        pulse(stream_id, broadcast_id)

    outbox.pulse = failing  # type: ignore[method-assign]
    SweepBroadcasts(broadcasts, controls, outbox, clock)()
    assert {stream_id for stream_id, _ in outbox.nudges} == {control.stream_id for control in streams[1:]}


class Tasks:
    def __init__(self, *tasks: RunningTask) -> None:
        self.tasks, self.stopped, self.broken = tasks, dict[str, str](), False

    def running(self) -> tuple[RunningTask, ...]:
        if self.broken:
            raise DependencyUnavailable
        return self.tasks

    def stop(self, task_id: str, reason: str) -> None:
        self.stopped[task_id] = reason


def test_workers_of_what_is_over_or_never_was_are_stopped_and_no_other() -> None:
    live, over = stream_control(), stream_control()
    broadcasts, controls, _, clock = memory_broadcasts(live, over)
    events = {control.stream_id: publish() for control in (live, over)}
    for stream_id, event in events.items():
        broadcasts.apply(stream_id, event)
    began_at = clock.now
    tasks = Tasks(
        *(RunningTask(f"of-{name}", each.stream_id, events[each.stream_id].candidate_id, began_at)
          for name, each in (("live", live), ("over", over))),
        RunningTask("of-nobody", StreamId(new_id()), BroadcastId(new_id()), began_at),
    )  # fmt: skip
    stop_orphans = StopOrphans(controls, tasks, clock, longest_ms=48 * 3600_000)
    clock.advance(SPARED_MS - 1)
    broadcasts.apply(over.stream_id, Stop())
    stop_orphans()
    assert tasks.stopped == {}, "what has just begun, or just ended, is not looked at"
    clock.advance(SPARED_MS)
    stop_orphans()
    assert tasks.stopped == {"of-over": "the broadcast is over", "of-nobody": "there is no such broadcast"}
    clock.advance(48 * 3600_000 + LONGEST_RECONNECT_MS)
    stop_orphans()
    assert tasks.stopped["of-live"] == "no broadcast lasts so long"


def test_an_ecs_that_is_away_does_not_fail_the_sweep() -> None:
    _, controls, _, clock = memory_broadcasts(stream_control())
    tasks = Tasks()
    tasks.broken = True
    StopOrphans(controls, tasks, clock, 1)()

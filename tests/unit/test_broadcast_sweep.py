"""Once a minute, whatever was lost is made good, and nothing that lives is disturbed."""

from __future__ import annotations

from functions.broadcast_sweep.sweep_broadcasts import OVERDUE_MS, SweepBroadcasts
from headwater.domain.broadcast_events import Stop, Tick
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

"""What the dispatcher does for a broadcast: one worker while somebody publishes, one finaliser afterwards, whatever is lost."""

from __future__ import annotations

import pytest

from ffmpeg_worker.transcode_plan import Keyframes, plan_transcode
from functions.transcode_dispatch.look_at_broadcast import PUT_OFF_SECONDS
from functions.transcode_dispatch.next_step import FINALISE_PATIENCE_MS
from functions.transcode_dispatch.wire import Look
from headwater.contracts import FinaliseRecording
from headwater.domain.broadcast import EndReason
from headwater.domain.broadcast_events import Finalised, MediaSeen, Stop
from headwater.domain.ids import WorkerId
from headwater.domain.ladder import Source
from headwater.domain.lease import DEATHS_LIMIT, LEASE_MS, SUSPECT_MS, LeaseState
from headwater.domain.worker_size import WorkerSize, size_for
from headwater.errors import DependencyUnavailable
from tests.dispatch_stage import ENCODER, START_LIMIT_MS, Stage
from tests.factories import NOW, done, publish, session_ref, stream_control, update


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_publish_starts_one_worker_however_often_the_dispatcher_looks(stage: Stage) -> None:
    for _ in range(5):
        stage.look()
    assert [task.job.generation for task in stage.tasks.running] == [1]
    assert stage.lease.state is LeaseState.REQUESTED
    assert stage.lease.task_id == stage.tasks.running[0].task_id


def test_the_first_worker_is_wanted_near_the_node_that_has_the_source_and_after_a_death_wherever_there_is_one(
    stage: Stage,
) -> None:
    stage.look()
    assert stage.broadcast.session is not None
    [first] = stage.tasks.running
    assert first.near
    assert f"//{first.near}:" in stage.broadcast.session.pull_url
    stage.look(stopped_task=stage.lease.task_id)
    assert stage.tasks.running[-1].near is None


def test_a_lost_answer_of_runtask_leads_to_no_second_task(stage: Stage) -> None:
    stage.tasks.mute = True
    stage.look()
    assert stage.lease.task_id is None
    stage.tasks.mute = False
    stage.after(2_000)
    assert len(stage.tasks.started) == 1
    assert stage.lease.task_id is not None


def test_an_ecs_that_does_not_answer_is_asked_again_by_the_next_pulse(stage: Stage) -> None:
    stage.tasks.broken = True
    stage.look()
    assert stage.outbox.pulses[-1].delay_ms == 2_000
    stage.tasks.broken = False
    stage.after(2_000)
    assert len(stage.tasks.running) == 1


def test_a_broadcast_whose_worker_takes_a_minute_to_come_has_as_long_for_its_media_as_any_other(stage: Stage) -> None:
    stage.look()

    def heard_for(seconds: int) -> None:
        for _ in range(seconds // 2):
            stage.clock.advance(2_000)
            stage.apply(update(ENCODER, stage.clock.now))
            stage.look()

    heard_for(50)
    assert stage.broadcast.is_active
    fence = stage.worker_comes()
    for _ in range(11):
        heard_for(2)
        assert stage.leases.beat(fence)
    assert stage.broadcast.is_active, "as long as if the worker had been there from the beginning"
    heard_for(6)
    assert stage.broadcast.end_reason is EndReason.NO_MEDIA


def test_a_worker_that_beats_is_left_alone(stage: Stage) -> None:
    stage.look()
    fence = stage.worker_comes()
    for _ in range(20):
        assert stage.leases.beat(fence)
        stage.after(2_000)
    assert stage.lease.generation == 1


def test_a_worker_that_does_not_beat_is_replaced_and_its_task_stopped(stage: Stage) -> None:
    stage.look()
    stage.worker_comes()
    stage.look()  # sees the first beat
    stage.after(LEASE_MS - 1)
    assert stage.lease.generation == 1
    stage.after(1)
    assert stage.lease.generation == 2
    assert [task.job.generation for task in stage.tasks.running] == [2]


def test_a_worker_whose_task_ecs_reports_as_stopped_is_replaced_at_once(stage: Stage) -> None:
    stage.look()
    stage.worker_comes()
    stage.look(stopped_task=stage.lease.task_id)
    assert stage.lease.generation == 2


def test_a_stopped_task_of_the_current_generation_counts_even_when_its_id_was_never_learnt(stage: Stage) -> None:
    stage.tasks.mute = True
    stage.look()
    stage.tasks.mute = False
    stage.look(stopped_task="unknown", stopped_generation=1)
    assert stage.lease.generation == 2


def test_news_of_a_task_of_an_older_generation_changes_nothing(stage: Stage) -> None:
    stage.look()
    first = stage.lease.task_id
    stage.look(stopped_task=first, stopped_generation=1)
    stage.worker_comes()
    stage.look(stopped_task=first, stopped_generation=1)
    assert stage.lease.generation == 2
    assert stage.lease.state is LeaseState.HELD


def test_a_late_worker_whose_task_has_stopped_unseen_is_replaced_before_its_lease_runs_out(stage: Stage) -> None:
    stage.look()
    stage.worker_comes()
    stage.look()
    stage.tasks.running[0].running = False
    stage.after(SUSPECT_MS)
    assert stage.lease.generation == 2


def test_a_task_that_does_not_come_in_time_is_replaced_and_can_no_longer_take_the_lease(stage: Stage) -> None:
    stage.look()
    for second in range(2, START_LIMIT_MS // 1_000, 2):
        stage.apply(MediaSeen(stage.broadcast.broadcast_id, 1))  # or it would end for want of media
        stage.apply(update(ENCODER, NOW + 1_000 * second))
        stage.after(2_000)
    assert stage.lease.generation == 1
    stage.after(2_000)
    assert stage.lease.generation == 2
    assert stage.leases.acquire(stage.broadcast.broadcast_id, 1, WorkerId("late")) is None


def test_while_nobody_publishes_a_dead_worker_is_not_replaced(stage: Stage) -> None:
    stage.look()
    stage.worker_comes()
    stage.apply(done(ENCODER, NOW + 1_000))
    stage.look(stopped_task=stage.lease.task_id)
    assert stage.lease.generation == 1
    stage.apply(publish(session_ref("2", NOW + 2_000)))
    stage.look(stopped_task=stage.lease.task_id)
    assert stage.lease.generation == 2


def test_a_worker_that_released_its_lease_is_followed_by_another_when_somebody_publishes_again(stage: Stage) -> None:
    stage.look()
    fence = stage.worker_comes()
    stage.apply(done(ENCODER, NOW + 1_000))
    assert stage.leases.release(fence)
    stage.look()
    assert stage.lease.generation == 1
    stage.apply(publish(session_ref("2", NOW + 2_000)))
    stage.look()
    assert stage.lease.generation == 2
    assert stage.lease.deaths == 0


def test_workers_that_keep_dying_end_the_broadcast_with_a_reason(stage: Stage) -> None:
    stage.look()
    for _ in range(DEATHS_LIMIT + 1):
        stage.worker_comes()
        stage.tasks.running[-1].running = False
        stage.look(stopped_task=stage.lease.task_id)
    assert stage.broadcast.end_reason is EndReason.TRANSCODE_FAILED
    assert stage.broadcast.end_detail
    stage.look()
    stage.after(SUSPECT_MS)
    assert len(stage.finaliser.messages) == 1


def test_the_finaliser_is_asked_once_the_worker_has_flushed_and_not_again_with_every_pulse(stage: Stage) -> None:
    stage.look()
    fence = stage.worker_comes()
    stage.apply(Stop())
    stage.look()
    assert stage.finaliser.messages == []
    assert stage.leases.release(fence)
    for _ in range(5):
        stage.after(1_000)
    assert stage.finaliser.messages == [
        FinaliseRecording(stream_id=stage.stream_id, broadcast_id=stage.broadcast.broadcast_id)
    ]
    stage.after(FINALISE_PATIENCE_MS)
    assert len(stage.finaliser.messages) == 2, "the first one may be lost"


def test_a_request_to_the_finaliser_that_could_not_be_sent_is_sent_by_the_next_pulse(stage: Stage) -> None:
    stage.apply(Stop())
    stage.finaliser.broken = True
    stage.look()
    stage.finaliser.broken = False
    stage.after(1_000)
    assert len(stage.finaliser.messages) == 1


def test_nobody_waits_for_a_worker_that_has_not_come_when_the_broadcast_is_over(stage: Stage) -> None:
    stage.look()
    stage.apply(Stop())
    stage.look()
    assert len(stage.finaliser.messages) == 1
    assert stage.tasks.running == []
    assert stage.leases.acquire(stage.broadcast.broadcast_id, 1, WorkerId("late")) is None


def test_an_earlier_broadcast_is_finalised_while_the_next_one_is_live(stage: Stage) -> None:
    first = stage.broadcast.broadcast_id
    stage.apply(done(session_ref(), NOW))
    stage.apply(Stop())
    stage.apply(publish(session_ref("2", NOW + 1)))
    stage.dispatch(Look(stage.stream_id, first))
    stage.look()
    assert [m.broadcast_id for m in stage.finaliser.messages if isinstance(m, FinaliseRecording)] == [first]
    assert [task.job.broadcast_id for task in stage.tasks.running] == [stage.broadcast.broadcast_id]


def test_a_settled_broadcast_and_an_unknown_stream_need_nothing(stage: Stage) -> None:
    stage.apply(Stop())
    stage.apply(Finalised(stage.broadcast.broadcast_id, 0.0))
    stage.outbox.pulses.clear()
    stage.look()
    stage.look(stream_id=stream_control().stream_id)
    assert (stage.outbox.pulses, stage.finaliser.messages, stage.tasks.started) == ([], [], {})


def test_a_pulse_that_cannot_be_followed_is_put_off_and_stays_the_one_that_is_due(stage: Stage) -> None:
    due = stage.broadcast.next_pulse_at
    stage.controls.broken = True
    look = Look(stage.stream_id, next(iter(stage.outbox.pulses)).broadcast_id, due)
    stage.dispatch(look)
    message, delay = stage.pulses.sent[0]
    assert delay == PUT_OFF_SECONDS
    assert getattr(message, "due", None) == due


def test_a_pulse_whose_successor_could_not_be_sent_is_handed_back_to_the_queue(stage: Stage) -> None:
    stage.outbox.broken = True
    with pytest.raises(DependencyUnavailable):
        stage.look()
    stage.outbox.broken = False
    stage.look()
    assert stage.outbox.pulses[-1].delay_ms == 2_000
    assert stage.controls.items[stage.stream_id].pulses == ()


def test_a_worker_is_sized_by_what_the_stream_took_last(stage: Stage) -> None:
    stage.look()
    [task] = stage.tasks.running
    assert task.size is None, "the first time the definition's own size has to do"
    stage.worker_comes()
    stage.apply(MediaSeen(stage.broadcast.broadcast_id, 1, millicpu=3100))
    stage.clock.advance(LEASE_MS)
    stage.look()
    stage.after(LEASE_MS)
    assert stage.tasks.running[-1].size == WorkerSize(4096, 8192)


def test_spare_capacity_is_asked_for_until_a_worker_has_died_or_has_not_come(stage: Stage) -> None:
    stage.look()
    stage.leases.release(stage.worker_comes())  # it was told two minutes before that its machine is taken away
    stage.look()
    assert [task.spot for task in stage.tasks.started.values()] == [True, True]
    for _ in range(START_LIMIT_MS // 2_000):
        stage.clock.advance(2_000)
        stage.apply(update(ENCODER, stage.clock.now))
        stage.look()
    assert stage.tasks.running[-1].job.generation == 3
    assert not stage.tasks.running[-1].spot


@pytest.mark.parametrize(
    ("width", "height", "rate", "copied", "cpu"),
    [
        (1920, 1080, 30.0, True, 2048),
        (1920, 1080, 30.0, False, 4096),
        (1920, 1080, 60.0, True, 4096),
        (1920, 1080, 60.0, False, 4096),
        (1280, 720, 30.0, True, 1024),
        (640, 360, 30.0, True, 1024),
    ],
)
def test_the_size_of_a_worker_follows_its_ladder(width: int, height: int, rate: float, copied: bool, cpu: int) -> None:
    source = Source(width, height, rate, "h264", True, 800_000, "aac_lc", 48_000, 2, 128_000)
    plan = plan_transcode(source, Keyframes.SOURCE if copied else Keyframes.FORCED)
    assert size_for(plan.millicpu).cpu == cpu


def test_what_the_measured_ladders_took_is_what_they_are_taken_for() -> None:
    source = Source(1920, 1080, 30.0, "h264", True, 5_000_000, None, 0, 0, 0)
    assert plan_transcode(source, Keyframes.SOURCE).millicpu == pytest.approx(990, rel=0.02)
    assert plan_transcode(source, Keyframes.FORCED).millicpu == pytest.approx(1690, rel=0.02)

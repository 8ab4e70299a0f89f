"""Workers that wait: as many as are wanted, each taken once, and none that is silent, outdated, too old or too small."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ffmpeg_worker import waiting
from ffmpeg_worker.waiting import Waiting
from functions.broadcast_sweep.nudge_pool import NudgePool
from functions.transcode_dispatch.warm_workers import WarmWorkers
from functions.transcode_dispatch.wire import LookAtPool
from headwater.contracts import TranscodeJob, WarmPoolPulse, decode, encode
from headwater.domain.broadcast_events import Stop
from headwater.domain.ids import BroadcastId, StreamId, WorkerId, new_id
from headwater.domain.lease import CLAIMED_START_LIMIT_MS, Lease, is_dead, note_claim, request_worker
from headwater.domain.orphans import SPARED_MS
from headwater.domain.warm_pool import (
    LIFETIME_MS,
    SILENT_MS,
    PoolNeeds,
    Sign,
    WaitingState,
    WarmPool,
    WarmWorker,
    claimable,
    review,
)
from headwater.domain.worker_size import WorkerSize
from headwater.errors import DependencyUnavailable, StateContended
from headwater.observability import metrics
from tests.factories import NOW, publish, stream_control
from tests.fakes import MemoryLeases, MemoryQueue, memory_broadcasts
from tests.fakes_pool import MemoryPools, MemoryPoolTasks


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Failures are made here by the hundred, and each would be logged and counted."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    metrics().clear_metrics()


NEEDS = PoolNeeds(count=2, definition="worker:7", cpu=2048, start_limit_ms=90_000)


def worker(name: str, **changes: object) -> WarmWorker:
    made = WarmWorker(WorkerId(name), "worker:7", 2048, NOW, f"task/{name}", judged_beats=3, judged_at=NOW)
    return replace(made, **changes)  # type: ignore[arg-type]


def reviewed(
    *workers: WarmWorker, now: int = NOW, signs: dict[str, Sign] | None = None, needs: PoolNeeds = NEEDS
) -> tuple[list[str], dict[str, str]]:
    """Who is in the pool afterwards, and who leaves, with the reason; `new` are those who were added."""
    found = {WorkerId(name): sign for name, sign in (signs or {}).items()}
    numbers = itertools.count(1)
    after = review(WarmPool(workers), found, needs, now, lambda: WorkerId(f"new{next(numbers)}"))
    return [each.worker_id for each in after.pool.workers], {
        worker_id: reason for worker_id, (_, reason) in after.leaving.items()
    }


HERE = Sign(WaitingState.WAITING, 4)


@pytest.mark.parametrize(
    ("one", "sign", "after_ms", "reason"),
    [
        (worker("a"), HERE, SILENT_MS * 5, None),
        (worker("a"), Sign(WaitingState.WAITING, 3), SILENT_MS - 1, None),
        (worker("a"), Sign(WaitingState.WAITING, 3), SILENT_MS, "it is silent"),
        (worker("a", definition="worker:6"), HERE, 0, "there is a newer revision"),
        (worker("a"), HERE, LIFETIME_MS, "it has waited long enough"),
        (worker("a"), Sign(WaitingState.RETIRED, 4), 0, "it has gone"),
        (worker("a"), None, NEEDS.start_limit_ms - 1, None),
        (worker("a", task_id=None), None, NEEDS.start_limit_ms, "it did not come"),
    ],
)
def test_who_has_to_go(one: WarmWorker, sign: Sign | None, after_ms: int, reason: str | None) -> None:
    signs = {"a": sign} if sign else {}
    staying, leaving = reviewed(one, now=NOW + after_ms, signs=signs)
    assert staying == (["a", "new1"] if reason is None else ["new1", "new2"])
    assert leaving == ({} if reason is None else {"a": reason})


def test_of_too_many_those_stay_who_have_come_and_of_a_pool_that_is_turned_off_nobody() -> None:
    workers = worker("coming"), worker("here"), worker("there")
    signs = {"here": HERE, "there": HERE}
    staying, leaving = reviewed(*workers, signs=signs)
    assert (staying, set(leaving)) == (["here", "there"], {"coming"})
    staying, leaving = reviewed(*workers, signs=signs, needs=replace(NEEDS, count=0))
    assert (staying, set(leaving)) == ([], {"coming", "here", "there"})


def test_one_that_is_too_small_for_what_the_stream_took_is_not_claimed() -> None:
    pool = WarmPool((worker("old", asked_at=NOW - 1), worker("large", cpu=4096), worker("starting", task_id=None)))
    assert [each.worker_id for each in claimable(pool, None)] == ["old", "large"]
    assert [each.worker_id for each in claimable(pool, WorkerSize(1024, 2048))] == ["old", "large"]
    assert [each.worker_id for each in claimable(pool, WorkerSize(4096, 8192))] == ["large"]


def test_a_claimed_worker_that_does_not_come_is_given_up_within_seconds() -> None:
    asked = request_worker(Lease(BroadcastId("b")), NOW)
    claimed = note_claim(asked, "task", NOW + 10_000)
    assert claimed is not None
    assert note_claim(claimed, "another", NOW) is None, "it has one"
    assert not is_dead(claimed, NOW + 10_000 + CLAIMED_START_LIMIT_MS - 1, 90_000)
    assert is_dead(claimed, NOW + 10_000 + CLAIMED_START_LIMIT_MS, 90_000)
    assert not request_worker(claimed, NOW).claimed, "the next one is started first"


class Stage:
    """The pool of one deployment, and the dispatcher's part in it."""

    def __init__(self, needs: PoolNeeds = NEEDS) -> None:
        self.control = stream_control()
        self.broadcasts, _, _, self.clock = memory_broadcasts(self.control)
        self.leases, self.pulses = MemoryLeases(), MemoryQueue()
        self.pools, self.tasks = MemoryPools(self.leases), MemoryPoolTasks(self.clock)
        self.want(needs)

    def want(self, needs: PoolNeeds) -> None:
        self.needs = needs
        self.workers = WarmWorkers(
            self.pools, self.tasks, self.broadcasts, self.pulses, self.clock, needs, longest_ms=48 * 3600_000
        )

    def look(self, worker_id: WorkerId | None = None, task_id: str | None = None) -> object:
        return self.workers.look(LookAtPool(worker_id, task_id))

    def come(self) -> None:
        """Every task that runs is there, and lives."""
        for waiter in self.tasks.running:
            self.pools.beat(waiter.task.worker_id)

    def ask(self, broadcast_id: str = "b") -> Lease:
        lease = request_worker(self.leases.load(BroadcastId(broadcast_id)), self.clock.now)
        self.leases.items[lease.broadcast_id] = lease
        return lease

    def claim(self, lease: Lease, size: WorkerSize | None = None) -> str | None:
        job = TranscodeJob(
            stream_id=self.control.stream_id, broadcast_id=lease.broadcast_id, generation=lease.generation
        )
        return self.workers.claim(job, lease, size)

    def jobs(self) -> list[TranscodeJob]:
        return [decode(sign.job, TranscodeJob) for sign in self.pools.signs.values() if sign.job]


@pytest.fixture
def stage() -> Stage:
    made = Stage()
    made.look()
    made.come()
    return made


def test_a_claim_takes_one_that_waits_and_has_another_started(stage: Stage) -> None:
    lease = stage.ask()
    task_id = stage.claim(lease)
    assert task_id in {waiter.task.task_id for waiter in stage.tasks.running}
    assert stage.leases.load(lease.broadcast_id).task_id == task_id
    assert [job.generation for job in stage.jobs()] == [1]
    assert stage.pulses.messages == [WarmPoolPulse()]
    stage.look()
    assert len(stage.tasks.running) == 3
    assert len(stage.pools.pool.workers) == 2


def test_a_generation_gets_one_worker_however_many_dispatchers_ask(stage: Stage) -> None:
    lease, took = stage.ask(), list[str | None]()

    def another() -> None:
        stage.pools.meanwhile = lambda: None
        took.append(stage.claim(lease))

    stage.pools.meanwhile = another
    with pytest.raises(StateContended):
        stage.claim(lease)
    assert len(took) == len(stage.jobs()) == 1


def test_two_broadcasts_that_begin_at_once_get_two_and_a_third_has_to_have_one_started(stage: Stage) -> None:
    leases = [stage.ask(name) for name in ("b", "c", "d")]
    took = [stage.claim(lease) for lease in leases]
    assert len(set(took[:2])) == 2
    assert took[2] is None


def test_one_that_has_not_come_yet_is_not_claimed_and_nobody_where_none_is_wanted(stage: Stage) -> None:
    fresh = Stage()
    fresh.look()
    assert fresh.claim(fresh.ask()) is None
    stage.want(replace(NEEDS, count=0))
    assert stage.claim(stage.ask()) is None


def test_a_lost_answer_of_runtask_leads_to_no_second_task() -> None:
    stage = Stage()
    stage.tasks.mute = True
    stage.look()
    stage.tasks.mute = False
    stage.look()
    assert len(stage.tasks.started) == 2
    assert all(each.task_id for each in stage.pools.pool.workers)


def test_a_waiting_worker_that_is_killed_is_replaced_at_once_and_one_that_never_came_after_a_while() -> None:
    stage = Stage(replace(NEEDS, count=1))
    stage.look()
    [first] = stage.tasks.running
    first.running = False
    stage.look(first.task.worker_id, first.task.task_id)
    assert stage.tasks.running == [], "what cannot start is not started all the time"
    stage.clock.advance(NEEDS.start_limit_ms)
    stage.look()
    stage.come()
    [second] = stage.tasks.running
    second.running = False
    stage.look(second.task.worker_id, second.task.task_id)
    assert len(stage.tasks.running) == 1


def test_a_stopped_task_that_had_a_job_is_a_look_at_its_broadcast(stage: Stage) -> None:
    lease = stage.ask()
    task_id = stage.claim(lease)
    [of] = [waiter.task.worker_id for waiter in stage.tasks.running if waiter.task.task_id == task_id]
    look = stage.look(of, task_id)
    assert (look.broadcast_id, look.stopped_task, look.stopped_generation) == ("b", task_id, 1)  # type: ignore[attr-defined]


def test_tasks_of_nobody_are_stopped_and_of_those_that_work_only_when_their_broadcast_is_over(stage: Stage) -> None:
    event = publish()
    stage.broadcasts.apply(stage.control.stream_id, event)
    task_id = stage.claim(stage.ask(event.candidate_id))
    stage.look()
    stage.come()
    stage.pools.pool = replace(stage.pools.pool, workers=stage.pools.pool.workers[1:])  # the stop of one was lost
    stage.clock.advance(SPARED_MS)
    stage.come()
    stage.look()
    running = {waiter.task.task_id for waiter in stage.tasks.running}
    assert task_id in running
    assert len(running) == 3, "the one that works, the one that stayed in the pool, a new one"
    stage.broadcasts.apply(stage.control.stream_id, Stop())
    stage.clock.advance(SPARED_MS)
    stage.come()
    stage.look()
    assert task_id not in {waiter.task.task_id for waiter in stage.tasks.running}


def test_the_sweep_has_the_pool_looked_at_where_there_is_one_or_should_be() -> None:
    class Tasks:
        found = False

        def has_pool(self) -> bool:
            return self.found

    tasks, pulses = Tasks(), MemoryQueue()
    NudgePool(tasks, pulses, 0)()
    assert pulses.messages == []
    NudgePool(tasks, pulses, 1)()
    tasks.found = True
    NudgePool(tasks, pulses, 0)()
    assert pulses.messages == [WarmPoolPulse()] * 2
    pulses.broken = True
    NudgePool(tasks, pulses, 1)()


# --- the worker ---


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.001)


def job() -> TranscodeJob:
    return TranscodeJob(stream_id=StreamId(new_id()), broadcast_id=BroadcastId("b"), generation=1)


class Pool(MemoryPools):
    """`script`: what happens at each look."""

    def __init__(self, *script: object) -> None:
        super().__init__(MemoryLeases())
        self.script = iter(script)

    def sign(self, worker_id: WorkerId) -> Sign | None:
        step = next(self.script, None)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, Sign):
            self.signs[worker_id] = step
        return super().sign(worker_id)


@pytest.mark.usefixtures("impatient")
def test_a_worker_waits_through_outages_until_it_has_a_job() -> None:
    given_job = job()
    claimed = Sign(WaitingState.CLAIMED, 1, encode(given_job))
    assert Waiting(Pool(None, DependencyUnavailable(), None, claimed), WorkerId("a")).job() == given_job


@pytest.mark.usefixtures("impatient")
def test_a_worker_that_is_retired_or_told_to_stop_goes_and_can_no_longer_be_claimed() -> None:
    assert Waiting(Pool(None, Sign(WaitingState.RETIRED, 0)), WorkerId("a")).job() is None
    pool = Pool()
    waiter = Waiting(pool, WorkerId("a"))
    waiter.stop()
    assert waiter.job() is None
    assert pool.signs[WorkerId("a")].state is WaitingState.RETIRED


@pytest.mark.usefixtures("impatient")
def test_a_job_that_comes_with_the_order_to_stop_is_taken_to_be_handed_back() -> None:
    given_job = job()
    pool = Pool()
    pool.signs[WorkerId("a")] = Sign(WaitingState.CLAIMED, 1, encode(given_job))
    waiter = Waiting(pool, WorkerId("a"))
    waiter.stop()
    assert waiter.job() == given_job


# --- whatever happens, in whatever order ---


class World(Stage):
    """Several broadcasts begin, workers come and die, ECS is away, messages come twice, dispatchers run at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Lease] = []
        self.given: dict[WorkerId, str] = {}
        self.interrupting = False

    def begin(self, which: int) -> None:
        self.asked.append(self.ask(f"b{which % 3}"))

    def take(self, which: int) -> None:
        if self.asked:
            try:
                self.claim(self.asked[-1 - which % len(self.asked)])
            except StateContended:
                return

    def tend(self, which: int) -> None:
        stopped = [waiter.task for waiter in self.tasks.started.values() if not waiter.running]
        task = stopped[which % len(stopped)] if stopped and which % 2 else None
        try:
            self.look(task.worker_id if task else None, task.task_id if task else None)
        except DependencyUnavailable:
            return

    def live(self, which: int) -> None:
        for number, waiter in enumerate(self.tasks.running):
            if which % 4 != number % 4:
                waiter.running = self.pools.beat(waiter.task.worker_id) or bool(
                    self.pools.signs[waiter.task.worker_id].job
                )

    def die(self, which: int) -> None:
        if self.tasks.running:
            self.tasks.running[which % len(self.tasks.running)].running = False

    def time(self, which: int) -> None:
        self.clock.advance((1, 1_000, 30_000, 100_000, LIFETIME_MS)[which % 5])

    def weather(self, which: int) -> None:
        self.tasks.broken, self.tasks.mute = which % 4 == 1, which % 4 == 2

    def revise(self, which: int) -> None:
        self.want(replace(self.needs, definition=f"worker:{7 + which % 2}", count=which % 3))

    def meanwhile(self, which: int) -> None:
        """The next read is followed by something else, before what follows from it is written."""

        def happen() -> None:
            if not self.interrupting:
                self.interrupting = True
                STEPS[which % 6](self, which // 3)
                self.interrupting = False
                self.pools.meanwhile = lambda: None

        self.pools.meanwhile = happen

    def check(self) -> None:
        jobs = [(each.broadcast_id, each.generation) for each in self.jobs()]
        assert len(jobs) == len(set(jobs)), "one worker of a generation"
        for worker_id, sign in self.pools.signs.items():
            if sign.job is not None:
                assert self.given.setdefault(worker_id, sign.job) == sign.job, "one job of a worker"
        assert not {each.worker_id for each in self.pools.pool.workers} & self.given.keys()
        assert len(self.pools.pool.workers) <= 2

    def calm_down(self) -> None:
        self.pools.meanwhile = lambda: None
        self.tasks.broken = self.tasks.mute = False
        for _ in range(4):
            self.clock.advance(SPARED_MS + NEEDS.start_limit_ms)
            for waiter in self.tasks.running:
                waiter.running = self.pools.beat(waiter.task.worker_id)  # who has a job has done it
            self.look()
        self.come()
        assert len(self.pools.pool.workers) == self.needs.count
        pool = {each.task_id for each in self.pools.pool.workers}
        assert {waiter.task.task_id for waiter in self.tasks.running} == pool, "no more, and no fewer"


STEPS = (
    World.begin, World.take, World.tend, World.live, World.die, World.take, World.time, World.weather, World.revise,
    World.meanwhile, World.live, World.tend,
)  # fmt: skip


def test_in_every_history_a_worker_has_one_job_a_generation_one_worker_and_the_pool_comes_to_rest() -> None:
    @settings(max_examples=1_000, database=None, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.binary(min_size=2 * 8, max_size=2 * 40))
    def live_through(history: bytes) -> None:
        world = World()
        for what, who in zip(history[::2], history[1::2], strict=False):
            STEPS[what % len(STEPS)](world, who)
            world.check()
        world.calm_down()

    live_through()

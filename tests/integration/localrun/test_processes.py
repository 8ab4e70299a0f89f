"""Nothing survives the stack: not when it stops, not when a part refuses to, and not when it is killed outright."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from localrun import leftovers, scratch, sessions
from localrun.console import Console
from localrun.plan import SCRATCH_PREFIX, Ports, StackPlan
from localrun.processes import Processes, Program, ServiceFailed, base_environment
from localrun.run_lock import AlreadyRunning, RunLock, holder
from localrun.scratch import held_scratch, remove_abandoned
from tests.event_loops import run
from tests.processes import is_alive
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]

WITH_A_CHILD = "sleep 600 & echo $! > child; wait"
STUBBORN = "trap '' TERM; echo $$ > started; while :; do sleep 0.05; done"


async def eventually_async(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def filled(path: Path) -> Callable[[], bool]:
    return lambda: path.exists() and path.read_text().strip() != ""


def processes_in(folder: Path) -> Processes:
    (folder / "records").mkdir()
    (folder / "logs").mkdir()
    return Processes(records=folder / "records", logs=folder / "logs", console=Console(out=None))


def shell(folder: Path, script: str, *, stop_seconds: float = 5.0, restarts: bool = False) -> Program:
    return Program(
        name="part",
        argv=["sh", "-c", script],
        env=base_environment(),
        cwd=folder,
        stop_seconds=stop_seconds,
        restarts=restarts,
    )


def plan_in(folder: Path) -> StackPlan:
    run, data, scratch_folder = folder / "run", folder / "data", folder / f"{SCRATCH_PREFIX}of-ours"
    for each in (run, data, scratch_folder, run / leftovers.RECORDS_NAME):
        each.mkdir(exist_ok=True)
    return StackPlan(run=run, data=data, scratch=scratch_folder, offset=0, ports=Ports.at_offset(0), external_aws=None)


def test_a_part_is_stopped_together_with_what_it_started(tmp_path: Path) -> None:
    async def story() -> int:
        async with processes_in(tmp_path).running(shell(tmp_path, WITH_A_CHILD)):
            await eventually_async(filled(tmp_path / "child"))
        return int((tmp_path / "child").read_text())

    assert not is_alive(run(story()))
    assert not list((tmp_path / "records").iterdir())


def test_a_part_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    async def story() -> int:
        async with processes_in(tmp_path).running(shell(tmp_path, STUBBORN, stop_seconds=0.2)):
            await eventually_async(filled(tmp_path / "started"))
        return int((tmp_path / "started").read_text())

    assert not is_alive(run(story()))


def test_a_part_that_ends_by_itself_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    async def story() -> ServiceFailed:
        processes = processes_in(tmp_path)
        async with processes.running(shell(tmp_path, "echo the disk is full; exit 3")):
            return await asyncio.wait_for(processes.crashed, 20)

    report = str(run(story()))
    assert "part ended with exit code 3" in report
    assert "the disk is full" in report


def test_a_part_that_is_safe_to_restart_is_started_again(tmp_path: Path) -> None:
    async def story() -> None:
        processes = processes_in(tmp_path)
        script = "echo $$ >> lives; [ $(wc -l < lives) -ge 3 ] && sleep 600; exit 1"
        async with processes.running(shell(tmp_path, script, restarts=True)):
            await eventually_async(
                lambda: filled(tmp_path / "lives")() and len((tmp_path / "lives").read_text().split()) == 3
            )
            assert not processes.crashed.done()

    run(story())


def test_a_part_that_keeps_ending_is_given_up(tmp_path: Path) -> None:
    async def story() -> ServiceFailed:
        processes = processes_in(tmp_path)
        async with processes.running(shell(tmp_path, "exit 1", restarts=True)):
            return await asyncio.wait_for(processes.crashed, 20)

    assert "exit code 1" in str(run(story()))


def test_a_part_ends_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    program = f"""
import asyncio
from pathlib import Path
from tests.integration.localrun.test_processes import processes_in, shell, WITH_A_CHILD
async def main():
    async with processes_in(Path({str(tmp_path)!r})).running(shell(Path({str(tmp_path)!r}), WITH_A_CHILD)):
        await asyncio.sleep(600)
asyncio.run(main())
"""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'localstack'}"}
    supervisor = subprocess.Popen([sys.executable, "-c", program], env=env)
    try:
        eventually(filled(tmp_path / "child"))
        eventually(filled(tmp_path / "records" / "part.json"))
    finally:
        supervisor.kill()
        supervisor.wait()
    session = json.loads((tmp_path / "records" / "part.json").read_text())["session"]
    eventually(lambda: not is_alive(session))
    sessions.signal_session(session, signal.SIGKILL)  # the orphaned child: the next start's business


def test_the_next_start_ends_what_a_killed_run_left_and_empties_its_folders(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    left = subprocess.Popen(["sh", "-c", STUBBORN], cwd=plan.run, start_new_session=True)
    eventually(filled(plan.run / "started"))
    (plan.run / leftovers.RECORDS_NAME / "part.json").write_text(json.dumps({"name": "part", "session": left.pid}))
    (plan.run / "endpoints.json").write_text("{}")
    (plan.run / leftovers.LOCK_NAME).touch()
    (plan.scratch / "unpacked").mkdir()
    abandoned = plan.scratch.with_name(f"{SCRATCH_PREFIX}of-another-killed-run")
    (abandoned / "unpacked").mkdir(parents=True)
    original = leftovers._ORDERLY_SECONDS
    leftovers._ORDERLY_SECONDS = 0.2
    try:
        assert leftovers.clear(plan) == ["part"]
    finally:
        leftovers._ORDERLY_SECONDS = original
        left.kill()
    assert left.wait() == -signal.SIGKILL
    assert [entry.name for entry in plan.run.iterdir()] == [leftovers.LOCK_NAME]
    assert not plan.scratch.exists()
    assert not abandoned.exists()


def test_a_scratch_folder_goes_with_its_run_and_stays_while_that_runs(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    plan.scratch.rmdir()
    with held_scratch(plan.scratch):
        (plan.scratch / "unpacked").mkdir()
        assert remove_abandoned(tmp_path) == []
        assert (plan.scratch / "unpacked").exists()
    assert not plan.scratch.exists()


def test_a_second_run_is_kept_out_of_a_scratch_folder_even_if_the_run_folder_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "_CLEARED_WITHIN_SECONDS", 0.0)
    plan = plan_in(tmp_path)
    with held_scratch(plan.scratch), pytest.raises(AlreadyRunning), held_scratch(plan.scratch):
        pass


def test_a_scratch_folder_is_given_up_by_a_run_that_is_killed(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    program = f"""
from pathlib import Path
from localrun.scratch import held_scratch
with held_scratch(Path({str(plan.scratch)!r})):
    (Path({str(plan.scratch)!r}) / "unpacked").mkdir()
    input()
"""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'localstack'}"}
    killed = subprocess.Popen([sys.executable, "-c", program], env=env, stdin=subprocess.PIPE)
    try:
        eventually((plan.scratch / "unpacked").exists)
        assert remove_abandoned(tmp_path) == []
    finally:
        killed.kill()
        killed.communicate()
    assert remove_abandoned(tmp_path) == [plan.scratch]


def test_a_stranger_that_got_a_recorded_number_is_left_alone(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    stranger = subprocess.Popen(["sleep", "600"], cwd=elsewhere, start_new_session=True)
    try:
        record = plan.run / leftovers.RECORDS_NAME / "part.json"
        record.write_text(json.dumps({"name": "part", "session": stranger.pid}))
        assert leftovers.clear(plan) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_one_run_at_a_time_and_the_second_is_told_who_runs(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with RunLock(lock):
        assert holder(lock) == os.getpid()
        with pytest.raises(AlreadyRunning, match=str(os.getpid())), RunLock(lock):
            pass
    assert holder(lock) is None
    with RunLock(lock):
        pass

"""A run of tests that is killed outright leaves no server behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.processes import is_alive
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
HANGS = """
import json, os, time
from tests.postgres_server import postgres_server
from tests.redis_server import redis_server

def test_hangs(tmp_path):
    with postgres_server() as postgres, redis_server(tmp_path) as redis:
        with open({unfinished!r}, "w") as file:
            print(os.getpid(), postgres.process.pid, redis.process.pid, postgres.folder, file=file)
        os.rename({unfinished!r}, {found!r})
        time.sleep(600)
"""


def test_databases_and_caches_end_with_the_process_that_runs_their_tests(tmp_path: Path) -> None:
    test, found = tmp_path / "test_hangs.py", tmp_path / "found"
    test.write_text(HANGS.format(unfinished=str(tmp_path / "unfinished"), found=str(found)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-n", "1", "--rootdir", str(tmp_path), str(test)]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as run:
        try:
            eventually(lambda: found.exists() or run.poll() is not None)
            *processes, folder = found.read_text().split()
            runner, *servers = map(int, processes)
            assert all(is_alive(pid) for pid in servers)
            os.kill(runner, signal.SIGKILL)
            eventually(lambda: not any(is_alive(pid) for pid in servers))
        finally:
            run.kill()
    shutil.rmtree(folder)

"""A worker whose machine is taken back, with real processes: nobody waits for the one that follows it."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.adapters.leases import Leases
from headwater.contracts import BroadcastPulse
from headwater.domain.lease import LeaseState
from tests.control_plane import ControlPlane, control_plane_of
from tests.nginx_rtmp import eventually
from tests.worker_stage import LEASES, Cloud, Stage, picture_and_sound, published, source_node

START_SECONDS = 6  # as long as a task takes to come here: longer than three segments
SLOW_TO_COME = ("sh", "-c", f"sleep {START_SECONDS}; exec {sys.executable} -m ffmpeg_worker")


class Arrivals:
    """When each segment was committed."""

    def __init__(self, stage: Stage) -> None:
        self.at: list[float] = []
        self._stage = stage
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Arrivals:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            self.at += [time.monotonic()] * (len(self._stage.segments()) - len(self.at))


@pytest.fixture
def control_plane(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPlane]:
    worker = {"WORKER_HAND_OVER_SECONDS": "60"}
    with control_plane_of(cloud, tmp_path, monkeypatch, worker=worker, command=SLOW_TO_COME) as made:
        yield made


def test_it_works_on_until_its_successor_has_come_and_every_segment_is_there_in_time(
    cloud: Cloud, control_plane: ControlPlane, tmp_path: Path
) -> None:
    ecs, leases, stage = control_plane.ecs, Leases(LEASES), Stage(cloud, tmp_path)
    (tmp_path / "node").mkdir()
    with (
        source_node(tmp_path / "node") as node,
        published(f"{node.base}/one", *picture_and_sound()),
        control_plane.heard(stage),
    ):
        stage.publish(node.source("one"))
        control_plane.send(BroadcastPulse(stream_id=stage.stream_id, broadcast_id=stage.broadcast_id))
        stage.wait_for_segments(3)
        first = leases.load(stage.broadcast_id)
        assert first.task_id is not None
        process = ecs.pid(first.task_id)
        with Arrivals(stage) as arrivals:
            stage.wait_for_segments(len(stage.segments()) + 1)
            os.kill(process, signal.SIGTERM)
            assert eventually(lambda: leases.load(stage.broadcast_id).state is LeaseState.HANDING_OVER, 10), ecs.log()
            told = len(stage.segments())
            assert eventually(lambda: leases.load(stage.broadcast_id).generation == 2, 30), ecs.log()
            assert eventually(lambda: leases.load(stage.broadcast_id).state is LeaseState.HELD, 30), ecs.log()
            assert len(stage.segments()) > told, "the one that leaves goes on writing"
            stage.wait_for_segments(len(stage.segments()) + 3)
        waits = [later - earlier for earlier, later in zip(arrivals.at, arrivals.at[1:], strict=False)]
        assert max(waits[1:]) < START_SECONDS, "nobody has to wait for a task to start"
        assert eventually(lambda: not Path(f"/proc/{process}").exists(), 20)
    said = ecs.log()
    assert re.search(r'"worker ends".*"end":"handed_over"', said), said
    assert '"level":"ERROR"' not in said
    assert leases.load(stage.broadcast_id).deaths == 0


def test_where_nobody_comes_it_stores_what_it_has_before_it_is_killed(cloud: Cloud, tmp_path: Path) -> None:
    stage = Stage(cloud, tmp_path)
    with source_node(tmp_path) as node, published(f"{node.base}/one", *picture_and_sound()), stage.running():
        stage.publish(node.source("one"))
        worker = stage.start_worker(environment={"WORKER_HAND_OVER_SECONDS": "5"})
        before = len(stage.wait_for_segments(2))
        worker.send_signal(signal.SIGTERM)
        told_at = time.monotonic()
        assert worker.wait(60) == 0
        assert time.monotonic() - told_at >= 5
        assert len(stage.segments()) >= before + 2, "it worked on"
        assert stage.lease_state() == "released"


def test_asked_twice_or_by_hand_it_goes_at_once(cloud: Cloud, tmp_path: Path) -> None:
    for signals in ((signal.SIGINT,), (signal.SIGTERM, signal.SIGTERM)):
        stage = Stage(cloud, tmp_path)
        (folder := tmp_path / str(len(signals))).mkdir()
        with source_node(folder) as node, published(f"{node.base}/one", *picture_and_sound()), stage.running():
            stage.publish(node.source("one"))
            worker = stage.start_worker(environment={"WORKER_HAND_OVER_SECONDS": "600"})
            stage.wait_for_segments(1)
            for number in signals:
                worker.send_signal(number)
                time.sleep(0.5)
            assert worker.wait(60) == 0
            assert stage.lease_state() == "released"

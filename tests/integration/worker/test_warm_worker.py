"""A worker that waits, and then has a real publish: the dispatcher finds it at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.adapters.leases import Leases
from headwater.contracts import BroadcastPulse, WarmPoolPulse
from headwater.domain.lease import LeaseState
from tests.control_plane import ControlPlane, control_plane_of, forget_connections
from tests.nginx_rtmp import eventually
from tests.worker_stage import (
    LEASES,
    Cloud,
    Stage,
    picture_and_sound,
    published,
    source_node,
)


@pytest.fixture
def control_plane(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPlane]:
    with control_plane_of(cloud, tmp_path, monkeypatch, warm_workers=1) as made:
        yield made
        monkeypatch.setenv("WARM_WORKERS", "0")
        forget_connections()
        made.send(WarmPoolPulse())
        assert eventually(lambda: not made.tasks.of_pool(), 20), "a pool that is turned off leaves nobody behind"


def test_a_broadcast_that_begins_has_the_worker_that_waits_and_the_next_one_has_another(
    cloud: Cloud, control_plane: ControlPlane, tmp_path: Path
) -> None:
    ecs, leases = control_plane.ecs, Leases(LEASES)
    control_plane.send(WarmPoolPulse())
    assert eventually(lambda: len(control_plane.waiting()) == 1, 30), ecs.log()

    # One that is killed costs time, and nothing else.
    [killed] = control_plane.waiting()
    os.kill(ecs.pid(killed.task_id), signal.SIGKILL)
    assert eventually(lambda: [each.task_id for each in control_plane.waiting()] not in ([], [killed.task_id]), 30)

    [waiting] = control_plane.waiting()
    process = ecs.pid(waiting.task_id)
    stage = Stage(cloud, tmp_path)
    (tmp_path / "node").mkdir()
    with (
        source_node(tmp_path / "node") as node,
        published(f"{node.base}/one", *picture_and_sound()),
        control_plane.heard(stage),
    ):
        stage.publish(node.source("one"))
        began_at = time.monotonic()
        for _ in range(3):  # pulses come twice and thrice
            control_plane.send(BroadcastPulse(stream_id=stage.stream_id, broadcast_id=stage.broadcast_id))
        held = LeaseState.HELD
        assert eventually(lambda: leases.load(stage.broadcast_id).state is held, 20), ecs.log()
        assert time.monotonic() - began_at < 5, "no process had to be started"
        lease = leases.load(stage.broadcast_id)
        assert (lease.task_id, lease.generation) == (waiting.task_id, 1)
        stage.wait_for_segments(1)
        assert ecs.pid(waiting.task_id) == process, "the very one that waited"
        assert eventually(lambda: bool(control_plane.waiting()), 30), "another waits in its place"
        assert waiting.task_id not in {each.task_id for each in control_plane.waiting()}

        # One that is told to go (its machine is taken back) hands over to one that waits: seconds, not a task's start.
        [successor] = control_plane.waiting()
        told_at, before = time.monotonic(), stage.segments()[-1]
        os.kill(process, signal.SIGTERM)
        assert eventually(lambda: leases.load(stage.broadcast_id).task_id == successor.task_id, 20), ecs.log()
        assert eventually(lambda: stage.segments()[-1].epoch > before.epoch, 20), ecs.log()
        assert time.monotonic() - told_at < 12, "what it had was stored, and what came meanwhile was read from the node"
        process = ecs.pid(successor.task_id)
        assert eventually(lambda: bool(control_plane.waiting()), 30)

        # Its death is noticed as that of any other, and one that is started follows: the pool is for beginnings.
        os.kill(process, signal.SIGKILL)
        again = len(stage.segments())
        assert eventually(lambda: leases.load(stage.broadcast_id).generation == 3, 20)
        stage.wait_for_segments(again + 1)
        assert len(control_plane.waiting()) == 1
    stage.end()
    assert eventually(lambda: leases.load(stage.broadcast_id).state is not held, 30)
    shown = stage.segments()
    assert len({each.epoch for each in shown}) == 3
    ends = [each.start_ms + each.tracks["180p"].duration / 90 for each in shown]
    gaps = [later.start_ms - end for end, later in zip(ends, shown[1:], strict=False)]
    assert all(-1 <= gap <= 70 for gap in gaps), f"nothing twice, and at a join no more than a picture missing: {gaps}"

"""A worker that waits: the dispatcher's handler, DynamoDB and SQS by moto, the ECS-shaped endpoint, a real publish."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.transcode_dispatch import wiring
from functions.transcode_dispatch.handler import handler
from headwater.adapters import aws, dynamodb_tables
from headwater.adapters.leases import Leases
from headwater.adapters.outbox import Outbox
from headwater.adapters.stream_controls import StreamControls
from headwater.adapters.transcode_tasks import PoolTask, TranscodeTasks
from headwater.adapters.warm_pools import WarmPools
from headwater.broadcasts import Broadcasts
from headwater.contracts import BroadcastPulse, WarmPoolPulse, encode
from headwater.domain.broadcast_events import Update
from headwater.domain.lease import LeaseState
from headwater.domain.warm_pool import WaitingState
from tests.ecs_endpoint import CLUSTER, DEFINITION, RunningEndpoint, ecs_endpoint
from tests.lambda_events import sqs_event
from tests.nginx_rtmp import eventually
from tests.worker_stage import (
    BUCKET,
    BUS,
    LEASES,
    STREAMS,
    TIMELINE,
    Cloud,
    Stage,
    picture_and_sound,
    published,
    source_node,
)


class ControlPlane:
    """What Lambda does: hands every message of the pulse queue to the dispatcher."""

    def __init__(self, cloud: Cloud, ecs: RunningEndpoint) -> None:
        self.cloud, self.ecs = cloud, ecs
        self.pools, self.tasks = WarmPools(LEASES), TranscodeTasks(CLUSTER, DEFINITION)
        self._over = threading.Event()

    def send(self, message: BroadcastPulse | WarmPoolPulse) -> None:
        self.cloud.sqs.send_message(QueueUrl=self.cloud.pulse_queue, MessageBody=encode(message))

    def waiting(self) -> list[PoolTask]:
        """Who could be claimed now."""
        signs = {each.worker_id: self.pools.sign(each.worker_id) for each in self.pools.load().workers if each.task_id}
        ready = {each for each, sign in signs.items() if sign is not None and sign.state is WaitingState.WAITING}
        return [task for task in self.tasks.of_pool() if task.worker_id in ready]

    @contextmanager
    def heard(self, stage: Stage) -> Iterator[None]:
        """The node's part: it says every two seconds that the encoder is there."""
        broadcasts = Broadcasts(StreamControls(STREAMS), Outbox(BUS, self.cloud.pulse_queue))
        over = threading.Event()

        def say() -> None:
            while not over.wait(2):
                session, now = stage.broadcast().session, time.time_ns() // 1_000_000
                if session is not None:
                    broadcasts.apply(stage.stream_id, Update(session.ref.node, session.ref.client_id, now, 1))

        thread = threading.Thread(target=say)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    @contextmanager
    def polling(self) -> Iterator[ControlPlane]:
        thread = threading.Thread(target=self._poll)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()

    def _poll(self) -> None:
        queue = self.cloud.pulse_queue
        while not self._over.wait(0.05):
            for message in self.cloud.sqs.receive_message(QueueUrl=queue).get("Messages", []):
                if handler(sqs_event(message["Body"]), LambdaContext()) == {"batchItemFailures": []}:
                    self.cloud.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def control_plane(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPlane]:
    variables = {
        **cloud.environment,
        "STREAM_TABLE": STREAMS,
        "LEASE_TABLE": LEASES,
        "SEGMENT_TABLE": TIMELINE,
        "MEDIA_BUCKET": BUCKET,
        "EVENT_BUS": BUS,
        "PULSE_QUEUE_URL": cloud.pulse_queue,
    }

    def tell(event: Mapping[str, Any]) -> None:
        if event["detail"]["lastStatus"] == "STOPPED":
            cloud.sqs.send_message(QueueUrl=cloud.pulse_queue, MessageBody=json.dumps(event))

    with ecs_endpoint(tmp_path, variables, tell) as ecs:
        of_the_dispatcher = {
            **variables,
            "AWS_ENDPOINT_URL_ECS": ecs.url,
            "FINALISE_QUEUE_URL": cloud.pulse_queue,
            "ECS_CLUSTER": CLUSTER,
            "TRANSCODE_TASK_DEFINITION": DEFINITION,
            "TRANSCODE_CPU": "2048",
            "WORKER_START_LIMIT_SECONDS": "30",
            "WARM_WORKERS": "1",
            "LONGEST_BROADCAST_SECONDS": "172800",
        }
        for name, value in of_the_dispatcher.items():
            monkeypatch.setenv(name, value)
        _forget()
        with ControlPlane(cloud, ecs).polling() as made:
            yield made
        monkeypatch.setenv("WARM_WORKERS", "0")
        _forget()
        handler(sqs_event(encode(WarmPoolPulse())), LambdaContext())
        assert eventually(lambda: not made.tasks.of_pool(), 20), "a pool that is turned off leaves nobody behind"
    _forget()


def _forget() -> None:
    aws.forget_clients()
    dynamodb_tables.forget_connections()
    wiring.look_at_broadcast.cache_clear()
    wiring.warm_workers.cache_clear()


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

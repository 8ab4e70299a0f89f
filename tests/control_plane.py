"""The control plane around real workers: the dispatcher's handler, DynamoDB and SQS by moto, the ECS-shaped endpoint."""

from __future__ import annotations

import json
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
from headwater.adapters.outbox import Outbox
from headwater.adapters.stream_controls import StreamControls
from headwater.adapters.transcode_tasks import PoolTask, TranscodeTasks
from headwater.adapters.warm_pools import WarmPools
from headwater.broadcasts import Broadcasts
from headwater.contracts import BroadcastPulse, WarmPoolPulse, encode
from headwater.domain.broadcast_events import Update
from headwater.domain.warm_pool import WaitingState
from tests.ecs_endpoint import CLUSTER, DEFINITION, WORKER_COMMAND, RunningEndpoint, ecs_endpoint
from tests.lambda_events import sqs_event
from tests.worker_stage import BUCKET, BUS, LEASES, STREAMS, TIMELINE, Cloud, Stage


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


@contextmanager
def control_plane_of(
    cloud: Cloud,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    warm_workers: int = 0,
    worker: Mapping[str, str] | None = None,
    command: tuple[str, ...] = WORKER_COMMAND,
) -> Iterator[ControlPlane]:
    """`worker` are variables of the workers' container, beside the usual ones, and `command` is what it runs."""
    stores = {
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

    with ecs_endpoint(folder, {**stores, **(worker or {})}, tell, command) as ecs:
        of_the_dispatcher = {
            **stores,
            "AWS_ENDPOINT_URL_ECS": ecs.url,
            "FINALISE_QUEUE_URL": cloud.pulse_queue,
            "ECS_CLUSTER": CLUSTER,
            "TRANSCODE_TASK_DEFINITION": DEFINITION,
            "TRANSCODE_CPU": "2048",
            "WORKER_START_LIMIT_SECONDS": "30",
            "WARM_WORKERS": str(warm_workers),
            "LONGEST_BROADCAST_SECONDS": "172800",
        }
        for name, value in of_the_dispatcher.items():
            monkeypatch.setenv(name, value)
        forget_connections()
        with ControlPlane(cloud, ecs).polling() as made:
            yield made
    forget_connections()


def forget_connections() -> None:
    """The next call of the dispatcher reads its environment anew."""
    aws.forget_clients()
    dynamodb_tables.forget_connections()
    wiring.look_at_broadcast.cache_clear()
    wiring.warm_workers.cache_clear()

"""The ECS-shaped endpoint, called by boto3 as the dispatcher calls it, running real processes."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localrun.ecs.errors import ClusterNotFound, EcsError
from localrun.ecs.journal import JournalFile
from localrun.ecs.operations import Operations
from localrun.ecs.task_runner import TaskRunner
from localrun.ecs.wire import EcsServer
from localrun.processes import base_environment
from tests.waiting import eventually

CLUSTER = "arn:aws:ecs:us-east-1:123456789012:cluster/workers"
DEFINITION = "arn:aws:ecs:us-east-1:123456789012:task-definition/worker:3"
ROLE = "arn:aws:iam::123456789012:role/worker"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}}

RUNS_ON = "sleep 600"
ENDS_WELL_ON_TERM = "trap 'exit 0' TERM; touch ready; while :; do sleep 0.05; done"
IGNORES_TERM = "trap '' TERM; touch ready; while :; do sleep 0.05; done"


class FakeCloud:
    """One cluster, one task definition whose command the test chooses, and a list of the events delivered."""

    def __init__(self) -> None:
        self.script = RUNS_ON
        self.stop_timeout = 30
        self.events: list[Mapping[str, Any]] = []

    async def task_definition(self, name: str) -> dict[str, Any]:
        if name not in (DEFINITION, "worker"):
            raise EcsError(f"Unable to find task definition: {name}")
        container = {
            "name": "worker",
            "image": "headwater/ffmpeg-worker",
            "command": ["sh", "-c", self.script],
            "stopTimeout": self.stop_timeout,
        }
        return {
            "taskDefinitionArn": DEFINITION,
            "taskRoleArn": ROLE,
            "networkMode": "awsvpc",
            "containerDefinitions": [container],
        }

    async def cluster_arn(self, name: str) -> str:
        if name not in (CLUSTER, "workers"):
            raise ClusterNotFound("Cluster not found.")
        return CLUSTER

    async def credentials_of(self, role_arn: str, session_name: str) -> dict[str, Any]:
        return {"RoleArn": role_arn, "AccessKeyId": f"of {session_name}"}

    async def deliver(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)

    def told(self, status: str) -> list[Mapping[str, Any]]:
        return [event["detail"] for event in self.events if event["detail"]["lastStatus"] == status]


class Endpoint:
    """The endpoint on a free port, its loop on a thread, as long as the test needs it; it can be started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cloud = FakeCloud()
        (folder / "containers" / "ffmpeg-worker").mkdir(parents=True)
        (folder / "logs").mkdir()

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.port = self._do(self._open())
        self.client: Any = boto3.client(
            "ecs",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}),
        )

    def stop(self) -> None:
        self.client.close()
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, **request: Any) -> dict[str, Any]:
        [task] = self.client.run_task(
            cluster=CLUSTER, taskDefinition=DEFINITION, networkConfiguration=NETWORK, launchType="FARGATE", **request
        )["tasks"]
        return dict(task)

    def describe(self, task: dict[str, Any]) -> dict[str, Any]:
        [found] = self.client.describe_tasks(cluster=CLUSTER, tasks=[task["taskArn"]])["tasks"]
        return dict(found)

    def wait_for(self, task: dict[str, Any], status: str) -> dict[str, Any]:
        return eventually(lambda: found if (found := self.describe(task))["lastStatus"] == status else None)

    def task_folder(self, task: dict[str, Any]) -> Path:
        return self.folder / "tasks" / str(task["taskArn"]).rpartition("/")[2]

    async def _open(self) -> int:
        self.operations = Operations(
            cloud=self.cloud,
            runner=TaskRunner(folders=self.folder / "tasks", logs=self.folder / "logs"),
            journal=JournalFile(self.folder / "journal.json"),
            repository=self.folder,
            environment=base_environment(),
            own_url="http://own.example",
        )
        await self.operations.recover()
        self._server = await EcsServer(self.operations).listen(0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _close(self) -> None:
        self._server.close()
        await self.operations.close(within_seconds=0.5)
        # What still serves a kept-alive connection ends with the loop.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    opened = Endpoint(tmp_path)
    opened.start()
    yield opened
    opened.stop()


def test_a_task_runs_the_command_with_the_overrides_in_a_folder_of_its_own(endpoint: Endpoint) -> None:
    endpoint.cloud.script = 'echo "$TRANSCODE_JOB" > job; exec sleep 600'
    override = {"name": "worker", "environment": [{"name": "TRANSCODE_JOB", "value": "a job"}]}
    task = endpoint.run(overrides={"containerOverrides": [override]}, startedBy="stream/broadcast")
    endpoint.wait_for(task, "RUNNING")
    written = endpoint.task_folder(task) / "job"
    assert eventually(lambda: written.exists() and written.read_text()) == "a job\n"
    assert task["startedBy"] == "stream/broadcast"
    assert task["taskArn"].startswith("arn:aws:ecs:us-east-1:123456789012:task/workers/")


def test_the_same_client_token_is_the_same_task_even_after_a_restart(endpoint: Endpoint) -> None:
    first = endpoint.run(clientToken="generation-1")
    assert endpoint.run(clientToken="generation-1")["taskArn"] == first["taskArn"]
    endpoint.stop()
    endpoint.start()
    assert endpoint.run(clientToken="generation-1")["taskArn"] == first["taskArn"]
    assert endpoint.run(clientToken="generation-2")["taskArn"] != first["taskArn"]


def test_two_requests_with_one_token_at_the_same_moment_start_one_task(endpoint: Endpoint) -> None:
    arns: list[str] = []
    threads = [
        threading.Thread(target=lambda: arns.append(endpoint.run(clientToken="generation-1")["taskArn"]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arns) == 4
    assert len(set(arns)) == 1


def test_a_token_with_other_parameters_is_a_conflict(endpoint: Endpoint) -> None:
    endpoint.run(clientToken="generation-1", startedBy="one")
    with pytest.raises(ClientError) as refusal:
        endpoint.run(clientToken="generation-1", startedBy="another")
    assert refusal.value.response["Error"]["Code"] == "ConflictException"


def test_tasks_are_listed_by_who_started_them_and_by_what_they_should_be(endpoint: Endpoint) -> None:
    mine = endpoint.run(startedBy="mine")
    other = endpoint.run(startedBy="other")
    endpoint.wait_for(mine, "RUNNING")

    def listed(**filters: str) -> set[str]:
        return set(endpoint.client.list_tasks(cluster=CLUSTER, **filters)["taskArns"])

    assert listed() == {mine["taskArn"], other["taskArn"]}
    assert listed(startedBy="mine") == {mine["taskArn"]}
    assert listed(family="worker") == {mine["taskArn"], other["taskArn"]}
    assert listed(family="unknown") == set()
    endpoint.client.stop_task(cluster=CLUSTER, task=mine["taskArn"])
    assert listed(startedBy="mine") == set()
    assert listed(startedBy="mine", desiredStatus="STOPPED") == {mine["taskArn"]}


def test_a_stopped_task_may_end_in_its_own_time_and_says_why_it_was_stopped(endpoint: Endpoint) -> None:
    endpoint.cloud.script = ENDS_WELL_ON_TERM
    task = endpoint.run()
    eventually((endpoint.task_folder(task) / "ready").exists)
    asked = endpoint.client.stop_task(cluster=CLUSTER, task=task["taskArn"], reason="lease lost")["task"]
    assert asked["desiredStatus"] == "STOPPED"
    stopped = endpoint.wait_for(task, "STOPPED")
    assert stopped["containers"][0]["exitCode"] == 0
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "lease lost")
    assert not endpoint.task_folder(task).exists()


def test_a_task_that_ignores_term_is_killed_after_its_stop_timeout(endpoint: Endpoint) -> None:
    endpoint.cloud.script, endpoint.cloud.stop_timeout = IGNORES_TERM, 1
    task = endpoint.run()
    eventually((endpoint.task_folder(task) / "ready").exists)
    endpoint.client.stop_task(cluster=CLUSTER, task=task["taskArn"])
    assert endpoint.wait_for(task, "STOPPED")["containers"][0]["exitCode"] == 128 + signal.SIGKILL


def test_the_end_of_a_task_is_told_with_what_the_dispatcher_needs(endpoint: Endpoint) -> None:
    endpoint.cloud.script = "exit 7"
    task = endpoint.run(startedBy="stream/broadcast")
    detail = eventually(lambda: endpoint.cloud.told("STOPPED"))[0]
    assert detail["taskArn"] == task["taskArn"]
    assert detail["clusterArn"] == CLUSTER
    assert detail["startedBy"] == "stream/broadcast"
    assert detail["stopCode"] == "EssentialContainerExited"
    assert detail["containers"][0]["exitCode"] == 7
    assert detail["stoppedAt"].endswith("Z")
    event = endpoint.cloud.events[-1]
    assert (event["source"], event["detail-type"], event["resources"]) == (
        "aws.ecs",
        "ECS Task State Change",
        [task["taskArn"]],
    )


def test_a_task_that_cannot_start_is_stopped_with_the_reason(endpoint: Endpoint) -> None:
    override = {"name": "worker", "command": ["no-such-program"]}
    task = endpoint.run(overrides={"containerOverrides": [override]})
    stopped = endpoint.wait_for(task, "STOPPED")
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert "no-such-program" in stopped["stoppedReason"]
    assert "exitCode" not in stopped["containers"][0]


def test_tasks_do_not_outlive_the_endpoint_and_their_end_is_told_at_the_next_start(endpoint: Endpoint) -> None:
    endpoint.cloud.script = IGNORES_TERM
    task = endpoint.run()
    eventually((endpoint.task_folder(task) / "ready").exists)
    endpoint.stop()
    assert not endpoint.task_folder(task).exists()
    assert not endpoint.cloud.told("STOPPED")
    endpoint.start()
    assert [detail["taskArn"] for detail in endpoint.cloud.told("STOPPED")] == [task["taskArn"]]
    assert endpoint.describe(task)["stopCode"] == "TerminationNotice"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cluster": "unknown"}, "ClusterNotFoundException"),
        ({"taskDefinition": "unknown"}, "ClientException"),
        ({"networkConfiguration": {}}, "InvalidParameterException"),
        ({"count": 11}, "InvalidParameterException"),
        ({"clientToken": "x" * 65}, "InvalidParameterException"),
        ({"startedBy": "x" * 129}, "InvalidParameterException"),
    ],
)
def test_a_request_that_ecs_refuses_is_refused_by_the_same_name(
    endpoint: Endpoint, changes: dict[str, Any], code: str
) -> None:
    request = {"cluster": CLUSTER, "taskDefinition": DEFINITION, "networkConfiguration": NETWORK, **changes}
    with pytest.raises(ClientError) as refusal:
        endpoint.client.run_task(**request)
    assert refusal.value.response["Error"]["Code"] == code


def test_an_unknown_task_is_missing_and_cannot_be_stopped(endpoint: Endpoint) -> None:
    answer = endpoint.client.describe_tasks(cluster=CLUSTER, tasks=["nowhere"])
    assert answer["failures"] == [{"arn": "nowhere", "reason": "MISSING"}]
    with pytest.raises(ClientError, match="InvalidParameterException"):
        endpoint.client.stop_task(cluster=CLUSTER, task="nowhere")


def test_a_call_that_is_not_served_says_which_are(endpoint: Endpoint) -> None:
    with pytest.raises(ClientError, match="RunTask, StopTask"):
        endpoint.client.list_clusters()


def test_a_tasks_program_is_told_where_its_roles_credentials_are_and_gets_them_while_it_runs(
    endpoint: Endpoint,
) -> None:
    endpoint.cloud.script = f'printf %s "$AWS_CONTAINER_CREDENTIALS_FULL_URI" > told; {RUNS_ON}'
    task = endpoint.run()
    endpoint.wait_for(task, "RUNNING")
    task_id = str(task["taskArn"]).rpartition("/")[2]
    told = endpoint.task_folder(task) / "told"
    eventually(lambda: told.exists() and told.read_text() == f"http://own.example/credentials/{task_id}")
    address = f"http://127.0.0.1:{endpoint.port}/credentials/{task_id}"
    assert httpx.get(address).json() == {"RoleArn": ROLE, "AccessKeyId": f"of {task_id}"}
    endpoint.client.stop_task(cluster=CLUSTER, task=task["taskArn"])
    endpoint.wait_for(task, "STOPPED")
    assert httpx.get(address).status_code == 400
    assert httpx.get(address.replace(task_id, "another")).status_code == 400

"""Stage 3 · the ECS tasks that transcode: started once per lease generation, found and stopped by their broadcast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from headwater.adapters import aws
from headwater.adapters.ecs_tasks import NothingStarted, run_task, stop_task, tasks_of, unavailable_when_failing
from headwater.contracts import TranscodeJob, encode
from headwater.domain.ids import BroadcastId, StreamId, WorkerId, is_id
from headwater.domain.worker_size import WorkerSize
from headwater.errors import DependencyUnavailable
from headwater.observability import count, logger

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import KeyValuePairTypeDef, RunTaskRequestTypeDef, TaskTypeDef

CONTAINER = "worker"
JOB_VARIABLE = "TRANSCODE_JOB"
WARM_VARIABLE = "WARM_WORKER"  # the id of a worker that waits for its job
WAITING = "warm-pool"  # what ECS remembers of these; it stays so when one has got a job


def started_by(stream_id: StreamId, broadcast_id: BroadcastId) -> str:
    """What ECS remembers of whom a task works for; its state-change events carry it."""
    return f"{stream_id}/{broadcast_id}"


@dataclass(frozen=True, slots=True)
class RunningTask:
    task_id: str
    stream_id: StreamId
    broadcast_id: BroadcastId
    created_at: int  # Unix ms


@dataclass(frozen=True, slots=True)
class PoolTask:
    """A task that was started to wait; it may have a job by now."""

    task_id: str
    worker_id: WorkerId
    created_at: int  # Unix ms


@dataclass(frozen=True, slots=True)
class _Own:
    """What makes one task different from the next."""

    started_by: str
    variable: tuple[str, str]
    client_token: str


class TranscodeTasks:
    """Every method raises DependencyUnavailable when ECS does not answer, or answers that it cannot."""

    def __init__(
        self,
        cluster: str,
        task_definition: str,
        subnets: Sequence[str] = (),
        security_groups: Sequence[str] = (),
        *,
        public_ip: bool = True,
        spot: bool = False,
        ranges: Sequence[str] = (),
    ) -> None:
        """`spot`: whether the deployment uses spare capacity at all. `ranges`: the addresses (CIDR) of each of `subnets`, if
        they are known, for workers that shall run near something."""
        self._cluster = cluster
        self._task_definition = task_definition
        self._subnets = tuple(subnets)
        self._security_groups = tuple(security_groups)
        self._public_ip = public_ip
        self._spot = spot
        self._ranges = [ip_network(each) for each in ranges]

    def start(
        self,
        job: TranscodeJob,
        client_token: str,
        size: WorkerSize | None = None,
        *,
        spot: bool = False,
        near: str | None = None,
    ) -> str:
        """The task of this job; the same one, however often it is asked for with the same `client_token`.

        Of the definition's size unless `size` is given. With `spot`, on spare capacity if the deployment uses it and there
        is any; where there is none, at the full price at once. In the subnet, and so in the zone, of the address `near` while
        there is capacity of that kind; otherwise in any.
        """
        own = _Own(started_by(job.stream_id, job.broadcast_id), (JOB_VARIABLE, encode(job)), client_token)
        return self._run_where_there_is_room(own, size, spot=spot, zone=self._subnet_of(near))

    def start_waiting(self, worker_id: WorkerId, client_token: str) -> str:
        """A task of the definition's size whose worker waits for a job; the same one, however often it is asked for."""
        return self._run_where_there_is_room(_Own(WAITING, (WARM_VARIABLE, worker_id), client_token), None, spot=True)

    def _run_where_there_is_room(
        self, own: _Own, size: WorkerSize | None, *, spot: bool, zone: int | None = None
    ) -> str:
        """`zone`: which of the subnets to try first. Spare capacity elsewhere is cheaper than none here."""
        providers = ("FARGATE_SPOT", "FARGATE") if spot and self._spot else ("FARGATE",)
        refusal: NothingStarted | None = None
        for provider in providers:
            for subnet in (zone, None) if zone is not None else (None,):
                try:
                    return self._run(own, size, provider, subnet)
                except NothingStarted as no_capacity:
                    refusal = no_capacity
                    logger().warning("no capacity", extra={"provider": provider, "reason": str(no_capacity)})
            if provider == "FARGATE_SPOT":
                count("SpotUnavailable")
        raise DependencyUnavailable from refusal

    def _subnet_of(self, address: str | None) -> int | None:
        try:
            found = ip_address(address or "")
        except ValueError:
            return None
        return next((number for number, each in enumerate(self._ranges) if found in each), None)

    def _run(self, own: _Own, size: WorkerSize | None, provider: str, subnet: int | None) -> str:
        """Raises NothingStarted."""
        request: RunTaskRequestTypeDef = {
            "cluster": self._cluster,
            "taskDefinition": self._task_definition,
            "count": 1,
            "startedBy": own.started_by,
            # ECS refuses a token that comes again with anything else than before, so what may differ is part of it.
            "clientToken": (
                f"{own.client_token}-{size.cpu if size else 0}-{'s' if provider == 'FARGATE_SPOT' else 'd'}"
                f"{'' if subnet is None else subnet}"
            ),
            "capacityProviderStrategy": [{"capacityProvider": provider, "weight": 1}],
            "overrides": {
                **({} if size is None else {"cpu": str(size.cpu), "memory": str(size.memory_mib)}),
                "containerOverrides": [
                    {
                        "name": CONTAINER,
                        "environment": [{"name": own.variable[0], "value": own.variable[1]}],
                        # The container's own limit is the definition's, and may not be above the task's.
                        **({} if size is None else {"memory": size.memory_mib}),
                    }
                ],
            },
        }
        if self._subnets:
            request["networkConfiguration"] = {
                "awsvpcConfiguration": {
                    "subnets": list(self._subnets) if subnet is None else [self._subnets[subnet]],
                    "securityGroups": list(self._security_groups),
                    # Without a NAT gateway (the default), a public address is how a task reaches AWS.
                    "assignPublicIp": "ENABLED" if self._public_ip else "DISABLED",
                }
            }
        return run_task(request)

    def stop(self, task_id: str, reason: str) -> None:
        """A task that is gone already is fine."""
        stop_task(self._cluster, task_id, reason)

    def has_stopped(self, task_id: str) -> bool:
        """Whether a task that ran once does so no more; ECS forgets stopped ones after an hour."""
        ecs: ECSClient = aws.client("ecs")
        with unavailable_when_failing():
            answer = ecs.describe_tasks(cluster=self._cluster, tasks=[task_id])
        return all(task.get("lastStatus") == "STOPPED" for task in answer["tasks"])

    def of_broadcast(self, stream_id: StreamId, broadcast_id: BroadcastId) -> list[str]:
        """Every task of this broadcast that has not been told to stop."""
        ecs: ECSClient = aws.client("ecs")
        with unavailable_when_failing():
            answer = ecs.list_tasks(cluster=self._cluster, startedBy=started_by(stream_id, broadcast_id))
        return answer["taskArns"]

    def of_pool(self) -> list[PoolTask]:
        """Every task that was started to wait and has not been told to stop, whatever it does now."""
        return [
            PoolTask(task["taskArn"], WorkerId(variable["value"]), _created_at(task))
            for task in tasks_of(self._cluster, WAITING)
            for variable in _variables(task)
            if variable.get("name") == WARM_VARIABLE and is_id(variable.get("value", ""))
        ]

    def has_pool(self) -> bool:
        """Whether any task that was started to wait runs."""
        ecs: ECSClient = aws.client("ecs")
        with unavailable_when_failing():
            return bool(ecs.list_tasks(cluster=self._cluster, startedBy=WAITING, maxResults=1)["taskArns"])

    def running(self) -> Iterator[RunningTask]:
        """Every task that was started for a broadcast and has not been told to stop."""
        for task in tasks_of(self._cluster):
            stream_id, _, broadcast_id = task.get("startedBy", "").partition("/")
            if is_id(stream_id) and is_id(broadcast_id):
                yield RunningTask(task["taskArn"], StreamId(stream_id), BroadcastId(broadcast_id), _created_at(task))


def _variables(task: TaskTypeDef) -> Iterator[KeyValuePairTypeDef]:
    for container in task.get("overrides", {}).get("containerOverrides", []):
        yield from container.get("environment", [])


def _created_at(task: TaskTypeDef) -> int:
    created_at = task.get("createdAt") or datetime.now(UTC)
    return round(created_at.timestamp() * 1000)

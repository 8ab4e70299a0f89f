"""Stage 1 · ingest on demand: the ECS tasks that are ingest nodes, started once per node, found by the node's id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headwater.adapters.ecs_tasks import NothingStarted, run_task, stop_task, tasks_of
from headwater.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import RunTaskRequestTypeDef

CONTAINER = "node"
NODE_VARIABLE = "NODE_ID"


class IngestTasks:
    """Every method raises DependencyUnavailable when ECS does not answer, or answers that it cannot."""

    def __init__(
        self, cluster: str, task_definition: str, subnets: Sequence[str], security_groups: Sequence[str]
    ) -> None:
        self._cluster = cluster
        self._task_definition = task_definition
        self._subnets = tuple(subnets)
        self._security_groups = tuple(security_groups)

    def start(self, node_id: str) -> str:
        """The task of this node; the same one, however often it is asked for. Encoders reach it by its own public address,
        so it has one."""
        request: RunTaskRequestTypeDef = {
            "cluster": self._cluster,
            "taskDefinition": self._task_definition,
            "count": 1,
            "launchType": "FARGATE",
            "clientToken": node_id,
            "startedBy": node_id,
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": list(self._subnets),
                    "securityGroups": list(self._security_groups),
                    "assignPublicIp": "ENABLED",
                }
            },
            "overrides": {
                "containerOverrides": [{"name": CONTAINER, "environment": [{"name": NODE_VARIABLE, "value": node_id}]}]
            },
        }
        try:
            return run_task(request)
        except NothingStarted as refusal:
            raise DependencyUnavailable from refusal

    def stop(self, task_id: str, reason: str) -> None:
        """On TERM it drains."""
        stop_task(self._cluster, task_id, reason)

    def running(self) -> dict[str, str]:
        """The node of every task that has not been told to stop, by the task's id."""
        return {task["taskArn"]: task.get("startedBy", "") for task in tasks_of(self._cluster)}

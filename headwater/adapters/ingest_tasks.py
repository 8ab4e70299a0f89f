"""Stage 1 · ingest on demand: the ECS tasks that are ingest nodes, started once per node, found by the node's id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from headwater.adapters import aws
from headwater.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
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
        ecs: ECSClient = aws.client("ecs")
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
            answer = ecs.run_task(**request)
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable from error
        if not answer["tasks"]:  # RunTask says so with status 200
            reasons = ", ".join(failure.get("reason", "?") for failure in answer.get("failures", []))
            raise DependencyUnavailable from RuntimeError(f"RunTask started nothing: {reasons}")
        return answer["tasks"][0]["taskArn"]

    def stop(self, task_id: str, reason: str) -> None:
        """Have ECS end the task: TERM, on which it drains, then KILL. One that is gone already is fine."""
        ecs: ECSClient = aws.client("ecs")
        try:
            ecs.stop_task(cluster=self._cluster, task=task_id, reason=reason)
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvalidParameterException":  # "The referenced task was not found."
                return
            raise DependencyUnavailable from error
        except BotoCoreError as error:
            raise DependencyUnavailable from error

    def running(self) -> dict[str, str]:
        """The node of every task that has not been told to stop, by the task's id."""
        ecs: ECSClient = aws.client("ecs")
        found: dict[str, str] = {}
        try:
            for page in ecs.get_paginator("list_tasks").paginate(cluster=self._cluster):
                if page["taskArns"]:
                    for task in ecs.describe_tasks(cluster=self._cluster, tasks=page["taskArns"])["tasks"]:
                        found[task["taskArn"]] = task.get("startedBy", "")
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable from error
        return found

"""Stage 3 · the ECS tasks that transcode: started once per lease generation, found and stopped by their broadcast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from headwater.adapters import aws
from headwater.contracts import TranscodeJob, encode
from headwater.domain.ids import BroadcastId, StreamId
from headwater.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import RunTaskRequestTypeDef

CONTAINER = "worker"
JOB_VARIABLE = "TRANSCODE_JOB"


def started_by(stream_id: StreamId, broadcast_id: BroadcastId) -> str:
    """What ECS remembers of whom a task works for; its state-change events carry it."""
    return f"{stream_id}/{broadcast_id}"


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
    ) -> None:
        self._cluster = cluster
        self._task_definition = task_definition
        self._subnets = tuple(subnets)
        self._security_groups = tuple(security_groups)
        self._public_ip = public_ip

    def start(self, job: TranscodeJob, client_token: str) -> str:
        """The task of this job; the same one, however often it is asked for with the same `client_token`."""
        ecs: ECSClient = aws.client("ecs")
        request: RunTaskRequestTypeDef = {
            "cluster": self._cluster,
            "taskDefinition": self._task_definition,
            "count": 1,
            "startedBy": started_by(job.stream_id, job.broadcast_id),
            "clientToken": client_token,
            "overrides": {
                "containerOverrides": [
                    {"name": CONTAINER, "environment": [{"name": JOB_VARIABLE, "value": encode(job)}]}
                ]
            },
        }
        if self._subnets:
            request["networkConfiguration"] = {
                "awsvpcConfiguration": {
                    "subnets": list(self._subnets),
                    "securityGroups": list(self._security_groups),
                    # Without a NAT gateway (the default), a public address is how a task reaches AWS.
                    "assignPublicIp": "ENABLED" if self._public_ip else "DISABLED",
                }
            }
        try:
            answer = ecs.run_task(**request)
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable from error
        if not answer["tasks"]:  # no capacity, for example; RunTask says so with status 200
            reasons = ", ".join(failure.get("reason", "?") for failure in answer.get("failures", []))
            raise DependencyUnavailable from RuntimeError(f"RunTask started nothing: {reasons}")
        return answer["tasks"][0]["taskArn"]

    def stop(self, task_id: str, reason: str) -> None:
        """Have ECS end the task: TERM, then KILL. One that is gone already is fine."""
        ecs: ECSClient = aws.client("ecs")
        try:
            ecs.stop_task(cluster=self._cluster, task=task_id, reason=reason)
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvalidParameterException":  # "The referenced task was not found."
                return
            raise DependencyUnavailable from error
        except BotoCoreError as error:
            raise DependencyUnavailable from error

    def has_stopped(self, task_id: str) -> bool:
        """Whether a task that ran once does so no more; ECS forgets stopped ones after an hour."""
        ecs: ECSClient = aws.client("ecs")
        try:
            answer = ecs.describe_tasks(cluster=self._cluster, tasks=[task_id])
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable from error
        return all(task.get("lastStatus") == "STOPPED" for task in answer["tasks"])

    def of_broadcast(self, stream_id: StreamId, broadcast_id: BroadcastId) -> list[str]:
        """Every task of this broadcast that has not been told to stop."""
        ecs: ECSClient = aws.client("ecs")
        try:
            answer = ecs.list_tasks(cluster=self._cluster, startedBy=started_by(stream_id, broadcast_id))
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable from error
        return answer["taskArns"]

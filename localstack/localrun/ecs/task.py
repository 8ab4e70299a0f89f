"""One task as ECS describes it, and the steps of its life. Plain data: nothing here runs or stops a process."""

from __future__ import annotations

import time
import uuid
from typing import Any

import msgspec

PROVISIONING, RUNNING, STOPPED = "PROVISIONING", "RUNNING", "STOPPED"

STOPPED_TASKS_SHOWN_SECONDS = 3600
"""ECS describes a stopped task for about an hour."""


class Task(msgspec.Struct, kw_only=True):
    """Times are Unix seconds. `exit_code` is None until the process has ended, and for ever if it never ran."""

    arn: str
    cluster_arn: str
    definition_arn: str
    container_name: str
    image: str
    cpu: str
    memory: str
    stop_timeout_seconds: float
    overrides: dict[str, Any]
    group: str
    started_by: str
    launch_type: str
    created_at: float
    version: int = 1
    last_status: str = PROVISIONING
    desired_status: str = RUNNING
    started_at: float | None = None
    stopping_at: float | None = None
    stopped_at: float | None = None
    stopped_reason: str = ""
    stop_code: str = ""
    exit_code: int | None = None

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def is_stopped(self) -> bool:
        return self.last_status == STOPPED

    def has_started(self) -> None:
        self.started_at = time.time()
        self.last_status = RUNNING
        self.version += 1

    def is_to_stop(self, reason: str, stop_code: str) -> None:
        """The first reason given stays."""
        if self.desired_status == STOPPED:
            return
        self.desired_status = STOPPED
        self.stopping_at = time.time()
        self.stopped_reason = reason
        self.stop_code = stop_code
        self.version += 1

    def has_stopped(self, exit_code: int | None, reason: str, stop_code: str) -> None:
        """`reason` and `stop_code` hold unless somebody asked for the stop before."""
        self.is_to_stop(reason, stop_code)
        self.exit_code = exit_code
        self.stopped_at = time.time()
        self.last_status = STOPPED
        self.version += 1

    def described(self) -> dict[str, Any]:
        """The `Task` of the ECS API (JSON 1.1: times as Unix seconds, absent rather than null)."""
        container: dict[str, Any] = {
            "containerArn": self.arn.replace(":task/", ":container/") + "/" + self.container_name,
            "taskArn": self.arn,
            "name": self.container_name,
            "image": self.image,
            "lastStatus": self.last_status,
            "exitCode": self.exit_code,
            "cpu": self.cpu,
            "memory": self.memory,
            "networkInterfaces": [],
            "reason": self.stopped_reason if self.stop_code == "TaskFailedToStart" else None,
        }
        task: dict[str, Any] = {
            "taskArn": self.arn,
            "clusterArn": self.cluster_arn,
            "taskDefinitionArn": self.definition_arn,
            "containers": [{name: value for name, value in container.items() if value is not None}],
            "attachments": [],
            "connectivity": "CONNECTED",
            "cpu": self.cpu,
            "memory": self.memory,
            "createdAt": self.created_at,
            "startedAt": self.started_at,
            "stoppingAt": self.stopping_at,
            "stoppedAt": self.stopped_at,
            "executionStoppedAt": self.stopped_at,
            "stoppedReason": self.stopped_reason or None,
            "stopCode": self.stop_code or None,
            "desiredStatus": self.desired_status,
            "lastStatus": self.last_status,
            "group": self.group,
            "startedBy": self.started_by or None,
            "launchType": self.launch_type,
            "platformVersion": "1.4.0",
            "overrides": self.overrides,
            "version": self.version,
            "tags": [],
        }
        return {name: value for name, value in task.items() if value is not None}


def new_task_arn(cluster_arn: str) -> str:
    prefix, _, cluster = cluster_arn.partition(":cluster/")
    return f"{prefix}:task/{cluster}/{uuid.uuid4().hex}"

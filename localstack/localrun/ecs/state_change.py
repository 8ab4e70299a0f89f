"""The event that ECS puts on the default bus whenever a task changes its status."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from localrun.ecs.task import Task

_TIMES = ("createdAt", "startedAt", "stoppingAt", "stoppedAt", "executionStoppedAt")


def task_state_change(task: Task) -> dict[str, Any]:
    """`ECS Task State Change` (Amazon ECS developer guide, "Amazon ECS task state change events")."""
    now = _rfc3339(datetime.now(UTC).timestamp())
    detail = task.described()
    for name in _TIMES:
        if name in detail:
            detail[name] = _rfc3339(detail[name])
    detail["updatedAt"] = now
    _, _, _, region, account, _ = task.arn.split(":", 5)
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": account,
        "time": now,
        "region": region,
        "resources": [task.arn],
        "detail": detail,
    }


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

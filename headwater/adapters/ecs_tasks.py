"""Stages 1 and 3 · ECS tasks of any kind: one is started, stopped, and found; and which answers of ECS are refusals.

Everything here raises DependencyUnavailable when ECS does not answer, or answers that it cannot.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from headwater.adapters import aws
from headwater.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import ListTasksRequestPaginateTypeDef, RunTaskRequestTypeDef, TaskTypeDef


class NothingStarted(Exception):
    """RunTask has started nothing, and says so. "Capacity is unavailable at this time. Please try again later or in a
    different availability zone" comes as a failure or as a ClientException (Amazon ECS, "Service event messages")."""


@contextmanager
def unavailable_when_failing() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise DependencyUnavailable from error


def run_task(request: RunTaskRequestTypeDef) -> str:
    """The task's id. Raises NothingStarted."""
    ecs: ECSClient = aws.client("ecs")
    with unavailable_when_failing():
        try:
            answer = ecs.run_task(**request)
        except ClientError as error:
            if "apacity is unavailable" in (said := error.response["Error"].get("Message", "")):
                raise NothingStarted(said) from error
            raise
    if not answer["tasks"]:  # RunTask says so with status 200
        reasons = ", ".join(failure.get("reason", "?") for failure in answer.get("failures", []))
        raise NothingStarted(f"RunTask started nothing: {reasons}")
    return answer["tasks"][0]["taskArn"]


def stop_task(cluster: str, task_id: str, reason: str) -> None:
    """Have ECS end the task: TERM, then KILL. One that is gone already is fine."""
    ecs: ECSClient = aws.client("ecs")
    with unavailable_when_failing():
        try:
            ecs.stop_task(cluster=cluster, task=task_id, reason=reason)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidParameterException":  # "The referenced task was not found."
                raise


def tasks_of(cluster: str, started_by: str | None = None) -> Iterator[TaskTypeDef]:
    """Every task that has not been told to stop; with `started_by`, of those that were started so."""
    ecs: ECSClient = aws.client("ecs")
    asked: ListTasksRequestPaginateTypeDef = {"cluster": cluster}
    if started_by is not None:
        asked["startedBy"] = started_by
    with unavailable_when_failing():
        for page in ecs.get_paginator("list_tasks").paginate(**asked):
            if page["taskArns"]:
                yield from ecs.describe_tasks(cluster=cluster, tasks=page["taskArns"])["tasks"]

"""Stage 3 · what the `pulse` queue carries: pulses of broadcasts and of waiting workers, ECS's news of stopped tasks."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from headwater.adapters.transcode_tasks import JOB_VARIABLE, WAITING, WARM_VARIABLE
from headwater.contracts import BroadcastPulse, TranscodeJob
from headwater.domain.ids import BroadcastId, StreamId, WorkerId, is_id


@dataclass(frozen=True, slots=True)
class Look:
    """Look at this broadcast. `stopped_task`, and its generation if known: that task is known to have ended."""

    stream_id: StreamId
    broadcast_id: BroadcastId
    due: int | None = None
    stopped_task: str | None = None
    stopped_generation: int | None = None


@dataclass(frozen=True, slots=True)
class LookAtPool:
    """Look at the workers that wait. `stopped_worker`: the task of this one, which was started to wait, has ended."""

    stopped_worker: WorkerId | None = None
    stopped_task: str | None = None


class _Variable(msgspec.Struct):
    name: str
    value: str = ""


class _ContainerOverride(msgspec.Struct):
    environment: list[_Variable] = []


class _Overrides(msgspec.Struct, rename="camel"):
    container_overrides: list[_ContainerOverride] = []


class _Task(msgspec.Struct, rename="camel"):
    task_arn: str
    last_status: str
    started_by: str = ""
    overrides: _Overrides = msgspec.field(default_factory=_Overrides)


class _Body(msgspec.Struct, rename={"detail_type": "detail-type"}):
    """An EventBridge event, a WarmPoolPulse or a BroadcastPulse. Its `source` is the rule's business, not ours."""

    detail_type: str | None = None
    warm_pool: str | None = None
    detail: msgspec.Raw = msgspec.Raw(b"null")


def read_look(body: str) -> Look | LookAtPool | None:
    """What to look at; None for a well-formed message that is not about us.

    Raises msgspec.ValidationError or DecodeError, both permanent.
    """
    event = msgspec.json.decode(body, type=_Body)
    if event.detail_type == "ECS Task State Change":
        return _look_after_task(event.detail)
    if event.detail_type is not None:
        return None
    if event.warm_pool is not None:
        return LookAtPool()
    pulse = msgspec.json.decode(body, type=BroadcastPulse)
    if not (is_id(pulse.stream_id) and is_id(pulse.broadcast_id)):
        raise msgspec.ValidationError("a pulse without the ids of a stream and a broadcast")
    return Look(pulse.stream_id, pulse.broadcast_id, pulse.due)


def _look_after_task(detail: msgspec.Raw) -> Look | LookAtPool | None:
    """The event "ECS Task State Change" (Amazon ECS developer guide, "Amazon ECS task state change events")."""
    task = msgspec.json.decode(detail, type=_Task)
    if task.last_status == "STOPPED" and task.started_by == WAITING:
        worker_id = _variable(task.overrides, WARM_VARIABLE)
        return LookAtPool(WorkerId(worker_id), task.task_arn) if worker_id and is_id(worker_id) else LookAtPool()
    stream_id, _, broadcast_id = task.started_by.partition("/")
    if task.last_status != "STOPPED" or not (is_id(stream_id) and is_id(broadcast_id)):
        return None
    return Look(
        StreamId(stream_id),
        BroadcastId(broadcast_id),
        stopped_task=task.task_arn,
        stopped_generation=_generation(task.overrides),
    )


def _generation(overrides: _Overrides) -> int | None:
    job = _variable(overrides, JOB_VARIABLE)
    try:
        return None if job is None else msgspec.json.decode(job, type=TranscodeJob).generation
    except msgspec.DecodeError:
        return None


def _variable(overrides: _Overrides, name: str) -> str | None:
    variables = (each for container in overrides.container_overrides for each in container.environment)
    return next((each.value for each in variables if each.name == name), None)

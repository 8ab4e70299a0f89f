"""Starts the ECS-shaped endpoint (`localrun.ecs`), whose tasks are processes of this machine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from localrun.images import why_not
from localrun.plan import LOOPBACK, REPOSITORY, StackPlan
from localrun.processes import Processes, Program, ServiceFailed, base_environment
from localrun.readiness import wait_until


@asynccontextmanager
async def ecs_endpoint(plan: StackPlan, processes: Processes) -> AsyncIterator[None]:
    if plan.tasks_from_images and (reason := why_not()) is not None:
        raise ServiceFailed(f"HEADWATER_TASKS=docker runs tasks from their images, but {reason}. Leave it out, or run "
                            "`make images` where Docker is.")  # fmt: skip
    folder = plan.run / "tasks"
    folder.mkdir(parents=True, exist_ok=True)
    env = base_environment() | {
        **plan.aws.environment(),
        "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'localstack'}",
        "ECS_PORT": str(plan.ports.ecs),
        "ECS_JOURNAL": str(plan.data / "ecs.json"),
        "ECS_TASK_FOLDERS": str(folder),
        "ECS_TASK_LOGS": str(plan.logs),
        "HEADWATER_TASKS": "docker" if plan.tasks_from_images else "processes",
        "TASKS_HAVE_ROLES": "true" if plan.enforces_iam else "false",
    }
    program = Program(
        name="ecs", argv=[sys.executable, "-m", "localrun.ecs"], env=env, cwd=folder, stop_seconds=5.0, restarts=True
    )
    async with processes.running(program):
        await wait_until(lambda: listens(plan.ports.ecs), within_seconds=30, what="the ECS endpoint")
        yield


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True

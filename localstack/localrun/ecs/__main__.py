"""`python -m localrun.ecs`: the ECS-shaped endpoint as a process of its own, which the tasks' processes belong to."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import Literal

from headwater.settings import EnvironmentSettings, load_settings
from localrun.ecs.aws import Aws
from localrun.ecs.journal import JournalFile
from localrun.ecs.operations import Operations
from localrun.ecs.task_runner import TaskRunner
from localrun.ecs.wire import EcsServer
from localrun.plan import REPOSITORY

_TASKS_STOP_WITHIN_SECONDS = 4.0
"""Shorter than any stop timeout: the whole stack has to be gone ten seconds after Ctrl-C."""

_FROM_HOST = (
    *("PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "DOCKER_HOST"),
    *("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"),
)
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class Settings(EnvironmentSettings, frozen=True, kw_only=True):
    ecs_port: int
    ecs_journal: str
    ecs_task_folders: str
    ecs_task_logs: str
    aws_endpoint_url: str
    aws_region: str
    headwater_tasks: Literal["processes", "docker"] = "processes"
    tasks_have_roles: bool = False


async def serve(settings: Settings) -> None:
    own_url = f"http://127.0.0.1:{settings.ecs_port}"
    from_host = _FROM_HOST if settings.tasks_have_roles else (*_FROM_HOST, *_CREDENTIALS)
    environment = {name: os.environ[name] for name in from_host if name in os.environ} | {
        "AWS_ENDPOINT_URL_ECS": own_url,
    }
    aws = Aws(endpoint=settings.aws_endpoint_url, region=settings.aws_region)
    operations = Operations(
        cloud=aws,
        secrets=aws,
        runner=TaskRunner(folders=Path(settings.ecs_task_folders), logs=Path(settings.ecs_task_logs)),
        journal=JournalFile(Path(settings.ecs_journal)),
        repository=REPOSITORY,
        environment=environment,
        from_images=settings.headwater_tasks == "docker",
        own_url=own_url if settings.tasks_have_roles else None,
    )
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = await EcsServer(operations).listen(settings.ecs_port)
    await operations.recover()
    await stopped.wait()
    server.close()
    await operations.close(_TASKS_STOP_WITHIN_SECONDS)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)  # it tells where it found credentials and endpoints
    asyncio.run(serve(load_settings(Settings)))

"""The local stack's ECS-shaped endpoint for tests of the control plane: real worker processes, no emulator."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localrun.ecs.journal import JournalFile
from localrun.ecs.operations import Operations
from localrun.ecs.task_runner import TaskRunner
from localrun.ecs.wire import EcsServer
from localrun.processes import base_environment
from tests.worker_stage import ROOT

CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/workers"
WORKER_COMMAND = ("python", "-m", "ffmpeg_worker")
DEFINITION = "arn:aws:ecs:eu-west-1:123456789012:task-definition/worker:3"


class OneDefinition:
    """The rest of AWS: workers' task definition, and `tell`, which is called with every event."""

    def __init__(
        self, variables: Mapping[str, str], tell: Callable[[Mapping[str, Any]], None], command: Sequence[str]
    ) -> None:
        self._variables = variables
        self._command = command
        self._tell = tell

    async def task_definition(self, name: str) -> dict[str, Any]:
        container = {
            "name": "worker",
            "image": "headwater/ffmpeg-worker",
            "command": list(self._command),
            "stopTimeout": 30,
            "environment": [{"name": each, "value": value} for each, value in self._variables.items()],
        }
        return {"taskDefinitionArn": name, "containerDefinitions": [container], "cpu": "2048", "memory": "4096"}

    async def cluster_arn(self, name: str) -> str:
        del name
        return CLUSTER

    async def credentials_of(self, role_arn: str, session_name: str) -> dict[str, Any]:
        raise NotImplementedError  # tasks have the host's here

    async def deliver(self, event: Mapping[str, Any]) -> None:
        await asyncio.to_thread(self._tell, event)


class RunningEndpoint:
    def __init__(self, url: str, operations: Operations, logs: Path) -> None:
        self.url = url
        self._operations = operations
        self._logs = logs

    def pid(self, task_arn: str) -> int:
        """Of the process of a task that runs."""
        return self._operations._processes[task_arn]._process.pid

    def log(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self._logs.glob("*.log")))


@contextmanager
def ecs_endpoint(
    folder: Path,
    variables: Mapping[str, str],
    tell: Callable[[Mapping[str, Any]], None],
    command: Sequence[str] = WORKER_COMMAND,
) -> Iterator[RunningEndpoint]:
    """`variables` of the workers' container, and the `command` that it runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="ecs")
    thread.start()
    logs = folder / "logs"
    logs.mkdir()

    async def open_() -> tuple[asyncio.Server, Operations, int]:
        operations = Operations(
            cloud=OneDefinition(variables, tell, command),
            runner=TaskRunner(folders=folder / "tasks", logs=logs),
            journal=JournalFile(folder / "journal.json"),
            repository=ROOT,
            environment=base_environment(),
        )
        server = await EcsServer(operations).listen(0)
        return server, operations, server.sockets[0].getsockname()[1]

    async def close(server: asyncio.Server, operations: Operations) -> None:
        server.close()
        await operations.close(within_seconds=10)
        others = asyncio.all_tasks() - {asyncio.current_task()}  # what still serves a kept-alive connection
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        server, operations, port = asyncio.run_coroutine_threadsafe(open_(), loop).result(20)
        yield RunningEndpoint(f"http://127.0.0.1:{port}", operations, logs)
        asyncio.run_coroutine_threadsafe(close(server, operations), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

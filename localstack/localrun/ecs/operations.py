"""RunTask, StopTask, DescribeTasks and ListTasks, with the semantics that the product relies on."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import signal
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Protocol

from localrun.ecs.container import CannotStart, Container, container_from, stop_timeout_seconds
from localrun.ecs.docker import docker_container, remove_container
from localrun.ecs.errors import Conflict, EcsError, InvalidParameter
from localrun.ecs.journal import JournalFile, RememberedToken
from localrun.ecs.state_change import task_state_change
from localrun.ecs.task import STOPPED, Task, new_task_arn
from localrun.ecs.task_runner import TaskProcess, TaskRunner

# Where a task's program finds its role's credentials: AWS SDKs ask there ("Amazon ECS task IAM role").
CREDENTIALS_VARIABLE = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
CREDENTIALS_PATH = "/credentials/"
_TOKEN_CHARACTERS = 64
_STARTED_BY_CHARACTERS = 128
_LOG = logging.getLogger("ecs")


class Cloud(Protocol):
    """The rest of AWS, as far as tasks need it."""

    async def task_definition(self, name: str) -> dict[str, Any]: ...
    async def cluster_arn(self, name: str) -> str: ...
    async def credentials_of(self, role_arn: str, session_name: str) -> dict[str, Any]: ...
    async def deliver(self, event: Mapping[str, Any]) -> None: ...


class Secrets(Protocol):
    async def secret(self, value_from: str) -> str:
        """What a container definition's `valueFrom` means. Raises EcsError."""
        ...


class Operations:
    """One method for each call of the API; requests and answers are the bodies of the JSON 1.1 protocol."""

    def __init__(
        self,
        *,
        cloud: Cloud,
        runner: TaskRunner,
        journal: JournalFile,
        repository: Path,
        environment: Mapping[str, str],
        own_url: str | None = None,
        from_images: bool = False,
        secrets: Secrets | None = None,
    ) -> None:
        """`own_url`: where tasks find their roles' credentials, this endpoint; None: they have the host's. `from_images`: they
        run in Docker, from their images, and not as processes of `repository`. `secrets`: where those of containers are."""
        self._secrets = secrets
        self._from_images = from_images
        self._own_url = own_url
        self._cloud = cloud
        self._runner = runner
        self._file = journal
        self._journal = journal.load()
        self._repository = repository
        self._environment = environment
        self._processes: dict[str, TaskProcess] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._closing = False

    async def recover(self) -> None:
        """Tasks that ran when the endpoint last ended are over; whoever listens for that is told now."""
        for task in self._journal.tasks.values():
            if not task.is_stopped:
                task.has_stopped(None, "The host that ran the task was stopped.", "TerminationNotice")
                await self._tell(task)
        self._file.save(self._journal)

    async def run_task(self, request: Mapping[str, Any]) -> dict[str, Any]:
        count = int(request.get("count") or 1)
        token = str(request.get("clientToken") or "")
        started_by = str(request.get("startedBy") or "")
        if not request.get("taskDefinition"):
            raise InvalidParameter("TaskDefinition can not be blank.")
        if not 1 <= count <= 10:
            raise InvalidParameter("count must be between 1 and 10")
        if len(token) > _TOKEN_CHARACTERS:
            raise InvalidParameter(f"clientToken must be at most {_TOKEN_CHARACTERS} characters long")
        if len(started_by) > _STARTED_BY_CHARACTERS:
            raise InvalidParameter(f"startedBy must be at most {_STARTED_BY_CHARACTERS} characters long")
        # One at a time: two requests with the same token must not both find it unused.
        async with self._starting:
            return await self._run_once(request, count, token, started_by)

    async def _run_once(self, request: Mapping[str, Any], count: int, token: str, started_by: str) -> dict[str, Any]:
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        remembered = self._journal.tokens.get(token)
        if token and remembered is not None:
            if remembered.request != digest:
                raise Conflict("The client token was used before with other parameters.")
            known = [self._journal.tasks[arn] for arn in remembered.task_arns if arn in self._journal.tasks]
            return {"tasks": [task.described() for task in known], "failures": []}
        cluster_arn = await self._cloud.cluster_arn(str(request.get("cluster") or "default"))
        definition = await self._cloud.task_definition(str(request["taskDefinition"]))
        if definition.get("networkMode") == "awsvpc" and not request.get("networkConfiguration"):
            raise InvalidParameter("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
        tasks = [_new_task(cluster_arn, definition, request, started_by) for _ in range(count)]
        for task in tasks:
            self._journal.tasks[task.arn] = task
        if token:
            arns = [task.arn for task in tasks]
            self._journal.tokens[token] = RememberedToken(request=digest, task_arns=arns, used_at=time.time())
        self._file.save(self._journal)
        answer = {"tasks": [task.described() for task in tasks], "failures": []}
        for task in tasks:
            self._in_background(self._live(task, definition))
        return answer

    async def _live(self, task: Task, definition: Mapping[str, Any]) -> None:
        """A task's whole life, from its process's start to the news of its end."""
        try:
            process = await self._start(task, definition)
        except CannotStart as refusal:
            _LOG.warning("task %s did not start: %s", task.id, refusal)
            task.has_stopped(None, str(refusal), "TaskFailedToStart")
        else:
            await self._tell(task)
            exit_code = await process.ended()
            if self._from_images:
                await asyncio.to_thread(remove_container, task.id)
            if self._closing:
                # The next start finds the task unfinished in the journal and reports its end then.
                return
            _LOG.info("task %s ended with exit code %d", task.id, exit_code)
            del self._processes[task.arn]
            task.has_stopped(exit_code, "Essential container in task exited", "EssentialContainerExited")
        self._file.save(self._journal)
        await self._tell(task)

    async def _start(self, task: Task, definition: Mapping[str, Any]) -> TaskProcess:
        if task.desired_status == STOPPED:
            raise CannotStart("Task stopped before it was started")
        container = self._container(task, await self._with_secrets(definition))
        process = await self._runner.start(task.id, container)
        self._processes[task.arn] = process
        task.has_started()
        _LOG.info("task %s runs %s", task.id, container.image)
        if task.desired_status == STOPPED or self._closing:  # asked for while the process was being made
            self._end(task, process)
        return process

    async def _with_secrets(self, definition: Mapping[str, Any]) -> Mapping[str, Any]:
        """Its containers' secrets as values of their environment, which is where ECS puts them, too. Raises CannotStart."""
        if self._secrets is None:
            return definition
        containers = []
        for container in definition.get("containerDefinitions") or []:
            try:
                told = [
                    {"name": each["name"], "value": await self._secrets.secret(each["valueFrom"])}
                    for each in container.get("secrets") or []
                ]
            except EcsError as error:
                raise CannotStart(f"ResourceInitializationError: unable to pull secrets: {error}") from None
            containers.append({**container, "secrets": [], "environment": [*container.get("environment", []), *told]})
        return {**definition, "containerDefinitions": containers}

    def _container(self, task: Task, definition: Mapping[str, Any]) -> Container:
        environment = dict(self._environment)
        if self._own_url is not None:
            environment[CREDENTIALS_VARIABLE] = f"{self._own_url}{CREDENTIALS_PATH}{task.id}"
        if self._from_images:
            return docker_container(definition, task.overrides, task_id=task.id, environment=environment)
        return container_from(definition, task.overrides, repository=self._repository, environment=environment)

    async def credentials(self, task_id: str) -> dict[str, Any]:
        """What the task's program may do, and no more than that: those of the role that its definition names."""
        task = self._find(task_id)
        if task is None or task.is_stopped:
            raise InvalidParameter("The referenced task was not found.")
        definition = await self._cloud.task_definition(task.definition_arn)
        return await self._cloud.credentials_of(str(definition["taskRoleArn"]), task.id)

    async def stop_task(self, request: Mapping[str, Any]) -> dict[str, Any]:
        task = self._find(str(request.get("task") or ""))
        if task is None:
            raise InvalidParameter("The referenced task was not found.")
        if not task.is_stopped:
            task.is_to_stop(str(request.get("reason") or "Task stopped by user"), "UserInitiated")
            self._file.save(self._journal)
            if process := self._processes.get(task.arn):
                self._end(task, process)
        return {"task": task.described()}

    async def describe_tasks(self, request: Mapping[str, Any]) -> dict[str, Any]:
        names = [str(name) for name in request.get("tasks") or []]
        if not 1 <= len(names) <= 100:
            raise InvalidParameter("Tasks must be between 1 and 100.")
        found = {name: self._find(name) for name in names}
        return {
            "tasks": [task.described() for task in found.values() if task is not None],
            "failures": [{"arn": name, "reason": "MISSING"} for name, task in found.items() if task is None],
        }

    async def list_tasks(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Filtered by `desiredStatus` (RUNNING when not given), `startedBy`, `family` and `cluster`."""
        status = request.get("desiredStatus") or "RUNNING"
        cluster_arn = await self._cloud.cluster_arn(str(request.get("cluster") or "default"))
        arns = [
            task.arn
            for task in self._journal.tasks.values()
            if task.desired_status == status
            and task.cluster_arn == cluster_arn
            and request.get("startedBy") in (None, task.started_by)
            and request.get("family") in (None, _family(task.definition_arn))
        ]
        return {"taskArns": arns}

    async def close(self, within_seconds: float) -> None:
        """Stops every process, with SIGINT, for nobody will take over from it; the tasks are reported as stopped at the next
        start."""
        self._closing = True
        await asyncio.gather(*(process.stop(within_seconds, signal.SIGINT) for process in self._processes.values()))
        while self._background:
            await asyncio.gather(*self._background, return_exceptions=True)

    def _end(self, task: Task, process: TaskProcess) -> None:
        within_seconds = 0.0 if self._closing else task.stop_timeout_seconds
        self._in_background(process.stop(within_seconds))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        running = asyncio.create_task(work)
        self._background.add(running)
        running.add_done_callback(self._background.discard)

    def _find(self, name: str) -> Task | None:
        """By ARN or by id."""
        return next((task for task in self._journal.tasks.values() if name in (task.arn, task.id)), None)

    async def _tell(self, task: Task) -> None:
        try:
            await self._cloud.deliver(task_state_change(task))
        except Exception:  # the news is only a hint: a dead worker's lease runs out all the same
            _LOG.warning("the state change of task %s was not delivered", task.id, exc_info=True)


def _new_task(cluster_arn: str, definition: Mapping[str, Any], request: Mapping[str, Any], started_by: str) -> Task:
    containers = definition.get("containerDefinitions") or []
    if not containers:
        raise EcsError("Unable to run a task definition without containers.")
    return Task(
        arn=new_task_arn(cluster_arn),
        cluster_arn=cluster_arn,
        definition_arn=definition["taskDefinitionArn"],
        container_name=containers[0]["name"],
        image=containers[0]["image"],
        cpu=str(definition.get("cpu") or containers[0].get("cpu") or 0),
        memory=str(definition.get("memory") or containers[0].get("memory") or 0),
        stop_timeout_seconds=stop_timeout_seconds(definition),
        overrides=dict(request.get("overrides") or {}),
        group=str(request.get("group") or f"family:{_family(definition['taskDefinitionArn'])}"),
        started_by=started_by,
        launch_type=str(request.get("launchType") or "FARGATE"),
        created_at=time.time(),
    )


def _family(definition_arn: str) -> str:
    return definition_arn.rpartition("/")[2].partition(":")[0]

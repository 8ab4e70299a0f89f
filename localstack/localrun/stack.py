"""Brings one local stack up, keeps it up, and takes it down again: in order, whole, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import fields
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from localrun import leftovers
from localrun.cache import cache
from localrun.console import Console
from localrun.deployment import Deployed, deploy
from localrun.ecs_service import ecs_endpoint
from localrun.edge import edge
from localrun.emulator import emulator
from localrun.ingest import hooks_url, ingest
from localrun.mailbox import mailbox
from localrun.plan import StackPlan
from localrun.port_holders import holder_of, is_free
from localrun.postgres import postgres
from localrun.processes import Processes, ServiceFailed
from localrun.readiness import wait_until
from localrun.run_lock import RunLock
from localrun.scratch import held_scratch

_STOPPING_RUN_SECONDS = 12.0
_HEALTHY_WITHIN_SECONDS = 60.0
_ABSENT_MEDIA = "0" * 22 + "/live.m3u8"


@asynccontextmanager
async def running_stack(plan: StackPlan, console: Console) -> AsyncIterator[Processes]:
    """The stack, ready, for as long as the block lasts, which may run more programs beside it.

    Raises ServiceFailed when it cannot start or when a part ends by itself, which ends the block by cancellation.
    """
    for folder in (plan.run, plan.data, plan.logs):
        folder.mkdir(parents=True, exist_ok=True)
    # A run without endpoints is just starting or just stopping; the latter is over in a moment.
    waits_seconds = 0.0 if plan.endpoints_file.exists() else _STOPPING_RUN_SECONDS
    with RunLock(plan.run / leftovers.LOCK_NAME, waits_seconds=waits_seconds):
        if cleared := leftovers.clear(plan):
            console.say("stack", f"ended what an earlier run left behind: {', '.join(cleared)}")
        check_ports(plan)
        records = plan.run / leftovers.RECORDS_NAME
        records.mkdir()
        try:
            with held_scratch(plan.scratch):
                processes = Processes(records=records, logs=plan.logs, console=console)
                async with _cancelled_by_a_crash(processes), _services(plan, processes, console):
                    _publish_endpoints(plan)
                    try:
                        yield processes
                    finally:
                        plan.endpoints_file.unlink(missing_ok=True)
                        console.say("stack", "stopping")
        finally:
            leftovers.empty(plan)


@asynccontextmanager
async def _cancelled_by_a_crash(processes: Processes) -> AsyncIterator[None]:
    """Cancels the block when a part of the stack ends by itself, and raises what happened in place of the cancellation."""
    owner = asyncio.current_task()
    if owner is None:
        raise AssertionError("a stack is run by a task")

    def stop(_: asyncio.Future[ServiceFailed]) -> None:
        owner.cancel()

    processes.crashed.add_done_callback(stop)
    try:
        yield
    except asyncio.CancelledError:
        if processes.crashed.done():
            owner.uncancel()
            raise processes.crashed.result() from None
        raise
    finally:
        processes.crashed.remove_done_callback(stop)


@asynccontextmanager
async def _services(plan: StackPlan, processes: Processes, console: Console) -> AsyncIterator[Deployed]:
    """Stores first, which start and stop together; then, one by one, what runs on them.

    The ingest node comes last and goes first: it tells of the end of its publishers while the edge still answers.
    """
    aws = "MiniStack" if plan.external_aws is None else plan.aws.endpoint
    console.progress("stack", f"waiting for PostgreSQL, Redis and {aws}")
    stores = _together(postgres(plan, processes), cache(plan, processes), emulator(plan, processes))
    async with stores as (database_url, _, _):
        console.say("stores", f"PostgreSQL, Redis and {aws} answer")
        async with mailbox(plan):
            deployed = await deploy(plan, processes, console, database_url=str(database_url))
            async with (
                edge(plan, processes, deployed),
                ecs_endpoint(plan, processes),
                ingest(plan, processes, deployed),
            ):
                console.progress("stack", "waiting for the first answers")
                await _check_health(plan, deployed)
                yield deployed


@asynccontextmanager
async def _together(*services: AbstractAsyncContextManager[Any]) -> AsyncIterator[list[Any]]:
    """Enters all at once and leaves all at once; when one fails, the others are left again."""
    exits = [AsyncExitStack() for _ in services]
    entering = [
        asyncio.create_task(each.enter_async_context(service)) for each, service in zip(exits, services, strict=True)
    ]
    try:
        try:
            values = await asyncio.gather(*entering)
        except BaseException:
            for task in entering:
                task.cancel()
            await asyncio.gather(*entering, return_exceptions=True)
            raise
        yield values
    finally:
        await asyncio.gather(*(each.aclose() for each in exits))


def _publish_endpoints(plan: StackPlan) -> None:
    """Whoever waits for the file must never find half of it."""
    draft = plan.endpoints_file.with_suffix(".new")
    draft.write_text(json.dumps(plan.endpoints()))
    draft.replace(plan.endpoints_file)


def check_ports(plan: StackPlan) -> None:
    """Raises ServiceFailed naming every port that is taken, and by what."""
    names = [field.name for field in fields(plan.ports) if field.name != "emulator" or plan.external_aws is None]
    taken = [(name, port) for name in names if not is_free(port := getattr(plan.ports, name))]
    if not taken:
        return
    lines = [f"  {port} ({name}) is held by {holder_of(port) or 'a socket that nobody owns'}" for name, port in taken]
    lines.append(f"Stop it, or move this stack: HEADWATER_PORT_OFFSET={plan.offset + 100}")
    raise ServiceFailed("\n".join(["Ports that the stack needs are taken:", *lines]))


async def _check_health(plan: StackPlan, deployed: Deployed) -> None:
    """True readiness: every public address answers through the whole path behind it."""
    async with httpx.AsyncClient(timeout=20) as client:
        expected = (
            ("GET", f"{plan.api_url}/v1/health", 200),
            # Refused, but by a function that has started: it has seconds only to decide about the first publish.
            ("POST", hooks_url(plan, deployed), 401),
            ("GET", plan.cdn_url, 200),
            ("GET", f"{plan.cdn_url}/{_ABSENT_MEDIA}", 404),
        )
        seen: dict[str, str] = {}

        async def healthy() -> bool:
            seen.clear()
            for method, url, status in expected:
                try:
                    answer = await client.request(method, url)
                except httpx.TransportError as error:
                    seen[url] = type(error).__name__
                else:
                    if answer.status_code != status:
                        seen[url] = f"{answer.status_code} {answer.text[:200]}"
            if not await _accepts_sockets(plan):
                seen[plan.ws_url] = "no WebSocket"
            return not seen

        try:
            await wait_until(healthy, within_seconds=_HEALTHY_WITHIN_SECONDS, every_seconds=0.2)
        except ServiceFailed:
            problems = "".join(f"\n  {url}: {problem}" for url, problem in seen.items())
            raise ServiceFailed(f"The stack runs, but does not answer as it should:{problems}{_advice(plan)}") from None


def _advice(plan: StackPlan) -> str:
    """Browsers sign nothing: an endpoint may look for what they ask in its own account and region only."""
    if plan.external_aws is None:
        return ""
    return (
        f"\nIt was deployed to the region {plan.aws.region} and the account of AWS_ACCESS_KEY_ID. If these are not what "
        f"{plan.aws.endpoint} takes requests without a signature for, set AWS_REGION and AWS_ACCESS_KEY_ID accordingly."
    )


async def _accepts_sockets(plan: StackPlan) -> bool:
    try:
        async with connect(plan.ws_url, open_timeout=20, close_timeout=1, proxy=None):
            return True
    except (OSError, WebSocketException):
        return False


def stop_on_signals(task: asyncio.Task[None]) -> None:
    """Ctrl-C, TERM and the end of the terminal stop the stack, once; repeating them does not hurry it into disorder."""
    loop = asyncio.get_running_loop()
    asked = False

    def stop() -> None:
        nonlocal asked
        if not asked:
            asked = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)

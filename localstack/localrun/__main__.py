"""`python -m localrun up | demo | down | reset | admin <username>`: the whole of Headwater on this machine, in one terminal."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import time
from contextlib import suppress

from localrun import demo, deployment, leftovers, stack
from localrun.console import Console
from localrun.plan import PlanError, StackPlan, plan_from
from localrun.processes import ServiceFailed
from localrun.run_lock import AlreadyRunning, RunLock, holder

_DOWN_SECONDS = 60.0
_KEPT_DATA = ("postgres", "postgres.new", "emulator", "ingest", "logs", "mail")
_KEPT_FILES = ("postgres-password", "postgres-password.new", "deployed.json", "ecs.json", "ecs.new", "demo.json")


def main() -> int:
    parser = argparse.ArgumentParser(prog="localrun", description=__doc__)
    parser.add_argument("command", choices=("up", "demo", "down", "reset", "admin"))
    parser.add_argument("username", nargs="?", help="admin: whose account becomes an administrator's")
    arguments = parser.parse_args()
    command = arguments.command
    if (arguments.username is not None) != (command == "admin"):
        parser.error("`admin` takes a username, and nothing else does")
    console = Console()
    try:
        plan = plan_from(os.environ)
        if command == "down":
            return down(plan, console)
        if command == "reset":
            return reset(plan, console)
        if command == "admin":
            return admin(plan, console, arguments.username)
        return asyncio.run(_run(plan, console, with_broadcast=command == "demo"))
    except (PlanError, ServiceFailed, AlreadyRunning, OSError) as error:
        console.plain(f"\n{error}")
        return 1


async def _run(plan: StackPlan, console: Console, *, with_broadcast: bool) -> int:
    """Up until it is told to stop (0) or a part fails (raises)."""
    task = asyncio.create_task(demo.run(plan, console) if with_broadcast else up(plan, console))
    stack.stop_on_signals(task)
    with suppress(asyncio.CancelledError):
        await task
    console.say("stack", "stopped")
    return 0


async def up(plan: StackPlan, console: Console) -> None:
    async with stack.running_stack(plan, console):
        announce(plan, console)
        await asyncio.Event().wait()


def announce(plan: StackPlan, console: Console) -> None:
    console.say("stack", "ready")
    console.plain(
        f"\n  Web     {plan.cdn_url}\n  API     {plan.api_url}/v1/docs\n  Chat    {plan.ws_url}\n"
        f"  RTMP    {plan.rtmp_url}\n  Mail    {plan.data / 'mail'}\n  Logs    {plan.logs}\n\n  Ctrl-C stops everything.\n"
    )


def down(plan: StackPlan, console: Console) -> int:
    """Stops a stack that runs elsewhere, and waits until it is gone."""
    lock = plan.run / leftovers.LOCK_NAME
    pid = holder(lock)
    if pid is None:
        leftovers.clear(plan)
        console.plain("The stack is not running.")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _DOWN_SECONDS
    while holder(lock) == pid:
        if time.monotonic() > deadline:
            raise ServiceFailed(f"The stack (pid {pid}) has not stopped within {_DOWN_SECONDS:.0f} s: `kill -9 {pid}`.")
        time.sleep(0.05)
    console.plain("The stack is stopped.")
    return 0


def admin(plan: StackPlan, console: Console, username: str) -> int:
    """Makes an administrator of the stack that runs elsewhere."""
    deployment.make_admin(plan, username)
    console.plain(f"{username} is an administrator.")
    return 0


def reset(plan: StackPlan, console: Console) -> int:
    """Wipes the stack's data. Only what is ours: HEADWATER_DATA may name a folder that holds other things too."""
    down(plan, console)
    plan.run.mkdir(parents=True, exist_ok=True)
    with RunLock(plan.run / leftovers.LOCK_NAME):
        for name in _KEPT_DATA:
            shutil.rmtree(plan.data / name, ignore_errors=True)
        for name in _KEPT_FILES:
            (plan.data / name).unlink(missing_ok=True)
    console.plain("Its data is wiped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

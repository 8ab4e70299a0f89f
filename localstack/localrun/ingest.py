"""The ingest node: the same program and configuration that the container runs, told that it is on loopback."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from localrun.aws_session import clients
from localrun.deployment import Deployed
from localrun.ecs_service import listens
from localrun.plan import LOOPBACK, REPOSITORY, StackPlan
from localrun.processes import Processes, Program, base_environment
from localrun.readiness import wait_until


@asynccontextmanager
async def ingest(plan: StackPlan, processes: Processes, deployed: Deployed) -> AsyncIterator[None]:
    state = plan.data / "ingest"  # holds the spool of hooks that were not accepted yet
    state.mkdir(parents=True, exist_ok=True)
    env = base_environment() | {
        "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'containers' / 'rtmp-ingest'}",
        "RTMP_LISTEN": f"{LOOPBACK}:{plan.ports.rtmp}",
        "LOOPBACK_PORT": str(plan.ports.ingest_loopback),
        "RELAY_PORT": str(plan.ports.hook_relay),
        "HOOKS_URL": hooks_url(plan, deployed),
        "HOOK_SIGNING_KEY": await asyncio.to_thread(_hook_signing_key, plan, deployed["HookSecretArn"]),
        "PULL_LISTEN": f"{LOOPBACK}:{plan.ports.sources}",
        "PULL_BASE": f"http://{LOOPBACK}:{plan.ports.sources}/sources",
        "PULL_ALLOW": f"{LOOPBACK}/32",
        "STATE_DIR": str(state),
    }
    program = Program(
        name="ingest", argv=[sys.executable, "-m", "rtmp_ingest"], env=env, cwd=state, stop_seconds=4.0, restarts=True
    )
    async with processes.running(program):
        await wait_until(lambda: listens(plan.ports.rtmp), within_seconds=30, what="nginx-rtmp")
        yield


def hooks_url(plan: StackPlan, deployed: Deployed) -> str:
    """The hooks' own API, at the emulator: nobody but nodes calls it, so it has no port of the contract's."""
    return f"{plan.aws.endpoint}/_aws/execute-api/{deployed['HooksApiId']}/$default/ingest/hooks/nginx-rtmp"


def _hook_signing_key(plan: StackPlan, secret_arn: str) -> str:
    secrets: Any = clients(plan.aws)("secretsmanager")
    value = secrets.get_secret_value(SecretId=secret_arn)["SecretString"]
    return str(json.loads(value)["secret"])

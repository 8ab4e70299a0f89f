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
from localrun.ingest_environment import node_environment, state_folder
from localrun.plan import REPOSITORY, StackPlan
from localrun.processes import Processes, Program, base_environment
from localrun.readiness import wait_until


@asynccontextmanager
async def ingest(plan: StackPlan, processes: Processes, deployed: Deployed) -> AsyncIterator[None]:
    """For as long as the block lasts; where nodes come on demand, the ECS endpoint runs them, and there is none here."""
    if plan.ingest_on_demand:
        yield
        return
    state = state_folder(plan)
    state.mkdir(parents=True, exist_ok=True)
    env = base_environment() | {
        **node_environment(plan),
        "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'containers' / 'rtmp-ingest'}",
        "HOOKS_URL": hooks_url(plan, deployed),
        "HOOK_SIGNING_KEY": await asyncio.to_thread(_hook_signing_key, plan, deployed["HookSecretArn"]),
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

"""MiniStack in place of AWS's APIs; the only module that knows its settings.

It runs from an environment of its own (`.venv-emulator`), since it pins botocore. Its state lies under the data folder:
objects are written at once, the rest when it is told to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.parsers import ResponseParserError

from localrun.aws_session import account_of
from localrun.plan import LOOPBACK, REPOSITORY, AwsAccess, StackPlan
from localrun.processes import Processes, Program, ServiceFailed, base_environment
from localrun.readiness import wait_until

# It takes one or two. Ended before it is done, it would lose what was deployed: on a busy machine that is worse than to wait.
WRITES_ITS_STATE_SECONDS = 30.0
_ACCOUNT = "123456789012"
_INTERPRETER = REPOSITORY / ".venv-emulator" / "bin" / "python"


@asynccontextmanager
async def emulator(plan: StackPlan, processes: Processes) -> AsyncIterator[None]:
    """Runs until the block ends; with AWS_ENDPOINT_URL set, only checks that the other endpoint answers."""
    if plan.external_aws is not None:
        await asyncio.to_thread(_check, plan.external_aws)
        yield
        return
    if not _INTERPRETER.exists():
        raise ServiceFailed("MiniStack is not installed: run `make setup`.")
    # Unpacked functions go where TMPDIR says, and are never taken away again: in the scratch folder they are ours to clear.
    temporary = plan.scratch / "emulator"
    temporary.mkdir(parents=True, exist_ok=True)
    state = plan.data / "emulator"
    state.mkdir(parents=True, exist_ok=True)
    env = base_environment() | {
        "BIND_HOST": LOOPBACK,
        "GATEWAY_PORT": str(plan.ports.emulator),
        "MINISTACK_ACCOUNT_ID": _ACCOUNT,
        "MINISTACK_REGION": plan.aws.region,
        "DOCKER_HOST": "unix:///none",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "SMTP_HOST": f"{LOOPBACK}:{plan.ports.mail}",
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state / "s3"),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state / "state"),
        "TMPDIR": str(temporary),
        "LOG_LEVEL": "WARNING",
        # Functions inherit what the emulator has, and Powertools would take its level for theirs.
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }
    argv = [str(_INTERPRETER), "-m", "ministack"]
    if plan.enforces_iam:
        env["AUTH"] = "true"
        argv = [str(_INTERPRETER), "-P", str(Path(__file__).with_name("enforcing_ministack.py"))]
        if plan.iam_journal is not None:
            env["IAM_JOURNAL"] = str(plan.iam_journal)
    program = Program(
        name="ministack",
        argv=argv,
        env=env,
        cwd=temporary,
        stop_seconds=WRITES_ITS_STATE_SECONDS,
    )
    async with processes.running(program):
        ready = f"{plan.aws.endpoint}/_ministack/ready"
        await wait_until(lambda: _answers(ready), within_seconds=60, what="MiniStack")
        yield


async def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        async with httpx.AsyncClient(timeout=5) as client:
            return (await client.get(url)).status_code == 200
    return False


def _check(aws: AwsAccess) -> None:
    """Whether somebody answers there as AWS would. Raises ServiceFailed, saying what is wrong."""
    try:
        account_of(aws)
    except (HTTPClientError, OSError):
        raise ServiceFailed(
            f"Nothing answers at AWS_ENDPOINT_URL={aws.endpoint}. Start it first, or unset the variable to use MiniStack."
        ) from None
    except (ClientError, BotoCoreError, ResponseParserError, KeyError) as error:
        raise ServiceFailed(
            f"What answers at AWS_ENDPOINT_URL={aws.endpoint} is no emulator of AWS: asked for its account, it said: {error}"
        ) from None

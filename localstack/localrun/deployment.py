"""Deploys the stage `local` of the app with the plain CDK CLI, exactly as a deployer would, unless nothing has changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localrun.aws_session import account_of, clients
from localrun.console import Console
from localrun.ingest_environment import node_environment
from localrun.plan import LOOPBACK, REPOSITORY, StackPlan
from localrun.processes import Processes, ServiceFailed, base_environment

_INPUT_FOLDERS = ("infra", "functions", "headwater", "migrations")
_INPUT_FILES = ("cdk.json", "package-lock.json", "pyproject.toml", "uv.lock")
_EVENT = re.compile(r"^(?P<stack>[\w-]+) \| +(?P<done>\d+)(?:/(?P<all>\d+))? ")
_NAME = "deploy"
_QUIET = ("--no-notices", "--no-version-reporting", "--ci")
_TOOLKIT = "CDKToolkit"  # the stack of `cdk bootstrap`: where the CLI puts bundles


@dataclass(frozen=True, slots=True)
class Deployed:
    """What the stacks say they made, by the names of their outputs."""

    outputs: Mapping[str, Mapping[str, str]]

    def __getitem__(self, name: str) -> str:
        for stack in self.outputs.values():
            if name in stack:
                return stack[name]
        raise ServiceFailed(f"no stack has an output named {name}")


async def deploy(plan: StackPlan, processes: Processes, console: Console, *, database_url: str) -> Deployed:
    """The deployed stage, its database migrated and its signing keys made. Raises ServiceFailed."""
    values = local_values(plan, database_url)
    fingerprint = _fingerprint({**values, "enforces_iam": plan.enforces_iam})
    stamp = plan.data / "deployed.json"
    if (known := await asyncio.to_thread(_still_deployed, plan, stamp, fingerprint)) is not None:
        console.say(_NAME, "nothing changed since the last deployment")
        return known
    # Gone first: whatever fails from here on leaves no stamp that claims more than was done.
    stamp.unlink(missing_ok=True)
    outputs = await _run_cdk(plan, processes, console, values)
    deployed = Deployed(outputs)
    await asyncio.to_thread(_repeat_cors, plan, deployed["HttpApiId"])
    if plan.enforces_iam:
        await asyncio.to_thread(_let_edge_read, plan, deployed["MediaBucket"])
    await asyncio.to_thread(shutil.rmtree, _folder(plan))  # it holds a copy of every bundle
    for function in ("SchemaMigrationFunction", "PlaybackKeysFunction"):
        console.progress(_NAME, f"running {deployed[function]}")
        await asyncio.to_thread(_invoke, plan, deployed[function])
    stamp.write_text(json.dumps({"fingerprint": fingerprint, "outputs": outputs}))
    console.say(_NAME, f"{len(outputs)} stacks deployed, database migrated, signing keys in place")
    return deployed


def make_admin(plan: StackPlan, username: str) -> None:
    """Give an account of the running stack the role of administrator. Raises ServiceFailed."""
    try:
        deployed = Deployed(json.loads((plan.data / "deployed.json").read_text())["outputs"])
    except FileNotFoundError:
        raise ServiceFailed("Nothing is deployed here yet: start the stack first.") from None
    _invoke(plan, deployed["GrantAdminFunction"], {"username": username})


def local_values(plan: StackPlan, database_url: str) -> dict[str, Any]:
    """`infra.config.local_values.LocalValues`: what this stack hands to the stage `local`."""
    return {
        "api_url": plan.api_url,
        "ws_url": plan.ws_url,
        "cdn_url": plan.cdn_url,
        "web_url": plan.cdn_url,
        "rtmp_urls": [plan.rtmp_url],
        "cache_url": plan.cache_url,
        "database_url": database_url,
        "aws_endpoint": plan.aws.endpoint,
        "ecs_endpoint": plan.ecs_endpoint,
        "websocket_callback_url": plan.aws.endpoint + "/_aws/execute-api/{api_id}/{stage}",
        "sign_in_providers": _sign_in_providers(plan.sign_in_providers),
        "ingest_node": {**node_environment(plan), "ANNOUNCE_SECONDS": "2"} if plan.ingest_on_demand else None,
        "warm_workers": plan.warm_workers,
    }


def _sign_in_providers(file: Path | None) -> Any:
    """What the file holds; whether it makes sense, the app says. Raises ServiceFailed."""
    if file is None:
        return []
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ServiceFailed(f"HEADWATER_SIGN_IN_PROVIDERS: {file} cannot be used: {error}") from None


def _fingerprint(values: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for path in sorted(_inputs()):
        digest.update(f"\0{path.relative_to(REPOSITORY)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _inputs() -> Iterator[Path]:
    for name in _INPUT_FILES:
        yield REPOSITORY / name
    for folder in _INPUT_FOLDERS:
        for path in (REPOSITORY / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _still_deployed(plan: StackPlan, stamp: Path, fingerprint: str) -> Deployed | None:
    """The earlier deployment, if it is of the same inputs and the endpoint still has it (it may have lost its state)."""
    try:
        record = json.loads(stamp.read_text())
    except (OSError, ValueError):
        return None
    if record["fingerprint"] != fingerprint:
        return None
    if not all(_is_complete(plan, stack) for stack in record["outputs"]):
        return None
    return Deployed(record["outputs"])


def _folder(plan: StackPlan) -> Path:
    return plan.scratch / "deploy"


def _is_complete(plan: StackPlan, stack: str) -> bool:
    cloudformation: Any = clients(plan.aws)("cloudformation")
    try:
        [described] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except (ClientError, BotoCoreError, ValueError):
        return False
    return described["StackStatus"].endswith("_COMPLETE") and "ROLLBACK" not in described["StackStatus"]


async def _run_cdk(
    plan: StackPlan, processes: Processes, console: Console, values: Mapping[str, Any]
) -> dict[str, dict[str, str]]:
    folder = _folder(plan)
    folder.mkdir(parents=True, exist_ok=True)
    values_file = folder / "local.json"
    values_file.touch(mode=0o600)
    values_file.write_text(json.dumps(values))
    outputs_file = folder / "outputs.json"
    cdk = REPOSITORY / "node_modules" / ".bin" / "cdk"
    if not cdk.exists():
        raise ServiceFailed("The CDK CLI is not installed: run `make setup`.")
    account = await asyncio.to_thread(account_of, plan.aws)
    env = _cdk_environment(plan, account, values_file)
    if not await asyncio.to_thread(_is_complete, plan, _TOOLKIT):
        console.progress(_NAME, "bootstrapping the account")
        # In a folder without a cdk.json: the CLI would synthesise the app first, for nothing.
        bootstrap = [str(cdk), "bootstrap", f"aws://{account}/{plan.aws.region}", *_QUIET]
        await _run(processes, "bootstrap", bootstrap, env=env, cwd=folder)
    console.say(_NAME, "synthesising the stacks and bundling the functions")
    argv = [
        str(cdk),
        "deploy",
        "--all",
        f"--app={sys.executable} {REPOSITORY / 'infra' / 'cdk_app.py'}",
        f"--output={folder / 'cdk.out'}",
        f"--outputs-file={outputs_file}",
        "--context=stage=local",
        "--require-approval=never",
        "--progress=events",
        *_QUIET,
    ]
    await _run(processes, _NAME, argv, env=env, cwd=REPOSITORY, on_line=_Progress(console).read)
    outputs: dict[str, dict[str, str]] = json.loads(outputs_file.read_text())
    return outputs


async def _run(
    processes: Processes,
    name: str,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    on_line: Callable[[str], None] = lambda _: None,
) -> None:
    code = await processes.run(name, argv, env=env, cwd=cwd, on_line=on_line)
    if code != 0:
        raise ServiceFailed(processes.account_of(name, f"ended with exit code {code}"))


def _cdk_environment(plan: StackPlan, account: str, values_file: Path) -> dict[str, str]:
    return base_environment() | {
        **plan.aws.environment(),
        "AWS_ENDPOINT_URL_S3": plan.aws.endpoint,
        "AWS_S3_FORCE_PATH_STYLE": "1",
        "AWS_ENVAR_ALLOWLIST": "AWS_S3_FORCE_PATH_STYLE",
        "CDK_DEFAULT_ACCOUNT": account,
        "CDK_DEFAULT_REGION": plan.aws.region,
        # The CLI remembers accounts by credentials in its home: shared, it would confuse two endpoints.
        "CDK_HOME": str(_folder(plan) / "cdk-home"),
        "CDK_DOCKER": "true",
        # Debian's Node.js is older than both would like.
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "18,20,22",
        "AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED": "true",
        "HEADWATER_LOCAL": str(values_file),
        "TMPDIR": str(_folder(plan)),
        "UV_PYTHON_DOWNLOADS": "never",
    }


class _Progress:
    """Reads the CLI's event lines and says which stack is how far."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def read(self, line: str) -> None:
        if line.startswith("bundling:"):
            self._console.progress(_NAME, line)
        elif event := _EVENT.match(line):
            of = f" of {event['all']}" if event["all"] else ""
            self._console.progress(_NAME, f"{event['stack']}: {event['done']}{of} resources")
        elif line.lstrip().startswith("✅"):
            self._console.say(_NAME, line.strip(" ✅"))


def _invoke(plan: StackPlan, function: str, event: Mapping[str, str] | None = None) -> None:
    aws_lambda: Any = clients(plan.aws)("lambda")
    try:
        answer = aws_lambda.invoke(FunctionName=function, Payload=json.dumps(event or {}).encode())
    except (ClientError, BotoCoreError) as error:
        raise ServiceFailed(f"{function} could not be run: {error}") from error
    if "FunctionError" in answer:
        raise ServiceFailed(f"{function} failed: {answer['Payload'].read().decode(errors='replace')[:2000]}")


def _let_edge_read(plan: StackPlan, bucket: str) -> None:
    """On AWS, the bucket's policy lets the one CDN read; here, whoever is on this machine, which the edge is. A policy that
    names an address is not a public one, so the bucket stays as closed as the template has it."""
    s3: Any = clients(plan.aws)("s3")
    statement = {
        "Sid": "TheEdgeReads",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"IpAddress": {"aws:SourceIp": f"{LOOPBACK}/32"}},
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def _repeat_cors(plan: StackPlan, api_id: str) -> None:
    """MiniStack keeps the CORS settings of a template in a form that its gateway does not read: say them once more."""
    template = json.loads((_folder(plan) / "cdk.out" / "headwater-local-api.template.json").read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::ApiGatewayV2::Api":
            cors = resource["Properties"]["CorsConfiguration"]
            clients(plan.aws)("apigatewayv2").update_api(ApiId=api_id, CorsConfiguration=cors)

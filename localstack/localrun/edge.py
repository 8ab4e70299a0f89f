"""The edge nginx in place of CloudFront and of API Gateway's custom domains: web pages, media, api and ws on their ports."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from infra.viewer_headers import page_headers
from localrun.deployment import Deployed
from localrun.ecs_service import listens
from localrun.plan import LOOPBACK, REPOSITORY, StackPlan
from localrun.processes import Processes, Program, base_environment
from localrun.readiness import wait_until

_TEMPLATES = REPOSITORY / "localstack" / "edge"


@asynccontextmanager
async def edge(plan: StackPlan, processes: Processes, deployed: Deployed) -> AsyncIterator[None]:
    folder = plan.run / "edge"
    folder.mkdir(parents=True, exist_ok=True)
    write_configuration(folder, edge_values(plan, deployed))
    (folder / "config.json").write_text(json.dumps({"api": plan.api_url, "ws": plan.ws_url, "cdn": plan.cdn_url}))
    argv = ["nginx", "-e", "stderr", "-p", f"{folder}/", "-c", "nginx.conf"]
    program = Program(name="edge", argv=argv, env=base_environment(), cwd=folder, stop_seconds=3.0, restarts=True)
    async with processes.running(_media_gate(plan, deployed, folder)), processes.running(program):
        for port in (plan.ports.media_gate, plan.ports.cdn, plan.ports.api, plan.ports.ws):
            await wait_until(lambda port=port: listens(port), within_seconds=20, what="the edge nginx")  # type: ignore[misc]
        yield


def _media_gate(plan: StackPlan, deployed: Deployed, folder: Path) -> Program:
    """Decides who may have which object, in the place of CloudFront's key group and function."""
    env = base_environment() | {
        **plan.aws.environment(),
        "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'localstack'}",
        "MEDIA_GATE_PORT": str(plan.ports.media_gate),
        "CDN_URL": plan.cdn_url,
        "STREAM_TABLE": deployed["StreamTable"],
        "PLAYBACK_KEYS_SECRET": deployed["PlaybackKeysSecretArn"],
    }
    argv = [sys.executable, "-m", "localrun.media_gate"]
    return Program(name="media-gate", argv=argv, env=env, cwd=folder, stop_seconds=3.0, restarts=True)


def edge_values(plan: StackPlan, deployed: Deployed) -> dict[str, str]:
    """What the templates' `@NAME@` stand for."""
    return {
        # As root, workers would become a user who may not enter a checkout under /root.
        "USER": "user root;" if os.geteuid() == 0 else "",
        "AWS": urlsplit(plan.aws.endpoint).netloc,
        "GATE": f"{LOOPBACK}:{plan.ports.media_gate}",
        "API_PORT": str(plan.ports.api),
        "WS_PORT": str(plan.ports.ws),
        "CDN_PORT": str(plan.ports.cdn),
        "HTTP_API": deployed["HttpApiId"],
        "SOCKET_API": deployed["SocketApiId"],
        "SOCKET_STAGE": deployed["SocketStage"],
        "BUCKET": deployed["MediaBucket"],
        "API_URL": plan.api_url,
        "WS_URL": plan.ws_url,
        "CDN_URL": plan.cdn_url,
        "UPLOAD_URL": plan.aws.endpoint,
        "WEB": str(REPOSITORY / "web"),
        "NODE_MODULES": str(REPOSITORY / "node_modules"),
        "RUN": str(Path(plan.run) / "edge"),
    }


def write_configuration(folder: Path, values: dict[str, str]) -> None:
    """`nginx.conf` and what it includes. What every page is told is said in infra/viewer_headers.py, for the CDN, too."""
    for template in sorted(_TEMPLATES.glob("*.conf")):
        (folder / template.name).write_text(fill(template.read_text(), values))
    called = [values[each] for each in ("API_URL", "WS_URL", "CDN_URL", "UPLOAD_URL")]
    headers = page_headers(connects=called, media=[values["CDN_URL"]])
    lines = (f'add_header {name} "{value}" always;\n' for name, value in headers.items())
    (folder / "page-headers.conf").write_text("".join(lines))


def fill(template: str, values: dict[str, str]) -> str:
    """`@NAME@` rather than `$name`, which nginx uses itself."""
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template

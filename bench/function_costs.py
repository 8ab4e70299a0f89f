"""What each Lambda function costs in CPU time, against a bare FastAPI + Mangum app in the same rounds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import botocore.session
import msgspec

from bench.figures import Figure, Section
from functions.api.settings import ApiSettings
from headwater.hook_signature import HookOrigin, sign
from tests.api_gateway import http_event
from tests.chat_backend import socket_event
from tests.e2e.local_stack import ROOT
from tests.hooks_api import http_api_event
from tests.redis_server import redis_server
from tests.worker_stage import BUS, STREAMS, moto_cloud

ROUNDS, CALLS = 5, 200
PEER = "bare FastAPI + Mangum"
IMPORT_LIMITS = {"api": 1.35, "ws_chat": 0.4, "ingest_hooks": 0.4}
_BARE_APP = """
from fastapi import FastAPI
from mangum import Mangum
app = FastAPI()
@app.get("/v1/streams/{stream_id}")
def read(stream_id: str) -> dict[str, str]:
    return {"id": stream_id}
handler = Mangum(app, lifespan="off")
"""
_HOOK_SECRET = "signs the hooks of this benchmark"  # noqa: S105

Costs = dict[str, float]


def run() -> Section:
    functions = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))
    with tempfile.TemporaryDirectory() as folder, deployment(Path(folder)) as environment:
        (Path(folder) / "bare_app.py").write_text(_BARE_APP)
        names = list(_cases())
        rounds: dict[str, list[Costs]] = {name: [] for name in (PEER, *names)}
        imports: dict[str, list[float]] = {name: [] for name in functions}
        for _ in range(ROUNDS + 1):  # the first compiles the bytecode
            for name, (module, event, status) in {PEER: _bare_case(), **_cases()}.items():
                rounds[name].append(_costs(module, event, status, environment))
            for name in functions:
                imports[name].append(_import_cost(f"functions.{name}.handler", environment))
    peer = rounds[PEER][1:]
    figures = [
        Figure(
            name=f"import {name}",
            unit="s",
            ours=imports[name][1:],
            peer_name=PEER,
            peer=[costs["import"] for costs in peer],
            most=IMPORT_LIMITS.get(name),
        )
        for name in sorted(functions, key=lambda name: name not in IMPORT_LIMITS)
    ]
    for cost, title in (("first_call", "first call"), ("call", "call")):
        figures += [
            Figure(
                name=f"{title}: {name}",
                unit="ms",
                ours=[1000 * costs[cost] for costs in rounds[name][1:]],
                peer_name=f"{PEER}: GET, 200",
                peer=[1000 * costs[cost] for costs in peer],
            )
            for name in names
        ]
    method = (
        "CPU time of the process (user and system), each round in a fresh interpreter with compiled bytecode. "
        f"A call is the mean of {CALLS} after warming up; the first call includes making the app and its clients. DynamoDB and "
        "Secrets Manager are answered by a moto server and Redis by redis-server, in other processes that are not counted."
    )
    return Section(title="Functions", taken_on=date.today().isoformat(), method=method, figures=figures)  # noqa: DTZ011


Case = tuple[str, dict[str, Any], int]  # module, event, expected status


def _bare_case() -> Case:
    return "bare_app", http_event("GET", "/v1/streams/abc", "", {"host": "x"}, None, "203.0.113.7"), 200


def _cases() -> dict[str, Case]:
    """Signed now: a hook is good for a minute."""

    def get(path: str) -> dict[str, Any]:
        return http_event("GET", path, "", {"host": "api.example.org"}, None, "203.0.113.7")

    hook = json.loads((ROOT / "tests/events/hooks/publish_shell.json").read_text())["body"].encode()
    now = time.time_ns() // 1_000_000
    origin = HookOrigin("node-1", "http://10.0.3.7:1936/sources", now)
    return {
        "api, unknown path, 404": ("functions.api.handler", get("/v1/nothing/here"), 404),
        "api, key set, 200": ("functions.api.handler", get("/.well-known/jwks.json"), 200),
        "ingest_hooks, a hostile key, 403": (
            "functions.ingest_hooks.handler",
            http_api_event(sign(_HOOK_SECRET.encode(), origin, hook, now=now), hook),
            403,
        ),
        "ws_chat, ping, 200": ("functions.ws_chat.handler", socket_event("default", "UqDTpcZfDoECGfA="), 200),
    }


@contextmanager
def deployment(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of every function, and the stores that it names."""
    with redis_server(folder) as redis, moto_cloud() as cloud:
        environment = {
            **cloud.environment,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{folder}",
            "PYTHONPYCACHEPREFIX": f"{folder}/bytecode",
            "DATABASE_SECRET": "database",
            "STREAM_KEY_SECRET": "stream-key",
            "TOKEN_KEYS_SECRET": "token-keys",
            "HOOK_SECRET": "hook",
            "TOKEN_ISSUER": "https://api.example.org",
            "STREAM_TABLE": STREAMS,
            "IDEMPOTENCY_TABLE": "answered",
            "CONNECTION_TABLE": "connections",
            "ROOM_TABLE": "rooms",
            "EVENT_BUS": BUS,
            "PULSE_QUEUE_URL": cloud.pulse_queue,
            "CHAT_DELIVERY_QUEUE_URL": cloud.pulse_queue,
            "CHAT_ARCHIVE_QUEUE_URL": cloud.pulse_queue,
            "CHAT_CALLBACK_URL": "http://127.0.0.1:9/",
            "CACHE_URL": redis.url,
            "CDN_URL": "https://cdn.example.org",
            "WS_URL": "wss://chat.example.org",
            "RTMP_URLS": "rtmp://ingest.example.org:1935/live",
            "CORS_ORIGINS": "https://cdn.example.org",
        }
        for field in msgspec.structs.fields(ApiSettings):  # what no request of a benchmark comes to
            if field.required:
                environment.setdefault(field.encode_name, "https://unused.example.org")
        _create_secrets(environment)
        yield environment


def _create_secrets(environment: Mapping[str, str]) -> None:
    session = botocore.session.get_session()
    session.set_credentials("testing", "testing")
    manager: Any = session.create_client(
        "secretsmanager", region_name="eu-west-1", endpoint_url=environment["AWS_ENDPOINT_URL"]
    )
    held = {"stream-key": "a secret of more than thirty-two characters", "hook": _HOOK_SECRET, "token-keys": "none yet"}
    for name, value in held.items():
        manager.create_secret(Name=name, SecretString=json.dumps({"secret": value}) if name != "token-keys" else value)
    make_key = "from functions.signing_keys.handler import handler; handler({}, None)"
    subprocess.run([sys.executable, "-c", make_key], env=environment, check=True, capture_output=True, timeout=60)


def _costs(module: str, event: Mapping[str, Any], status: int, environment: Mapping[str, str]) -> Costs:
    command = [sys.executable, "-m", "bench.handler_process", module, str(CALLS)]
    done = subprocess.run(
        command, input=json.dumps(event), env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    costs: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if costs.pop("status") != status:
        raise RuntimeError(f"{module} did not answer {status}:\n{done.stdout[-2000:]}")
    return costs


def _import_cost(module: str, environment: Mapping[str, str]) -> float:
    program = "import time; began = time.process_time(); import {}; print(time.process_time() - began)"
    done = subprocess.run(
        [sys.executable, "-c", program.format(module)],
        env=environment, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return float(done.stdout.split()[-1])

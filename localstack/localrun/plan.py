"""Where one local stack lives: its ports, folders and public addresses, all derived from two environment variables."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65535
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # the folder made below it is private and carries the name of this stack
_ROOM_BYTES = 4 << 30
SCRATCH_PREFIX = "headwater-scratch-"


class PlanError(Exception):
    """The environment asks for a stack that cannot be. The message says what to change."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port of a stack. Each is the documented number plus HEADWATER_PORT_OFFSET, so stacks never overlap."""

    api: int
    ws: int
    cdn: int
    rtmp: int
    emulator: int
    ecs: int
    postgres: int
    redis: int
    redis_bus: int
    ingest_loopback: int
    hook_relay: int
    sources: int
    media_gate: int
    mail: int

    @classmethod
    def at_offset(cls, offset: int) -> Ports:
        return cls(
            api=8000 + offset,
            ws=8001 + offset,
            cdn=8080 + offset,
            rtmp=1935 + offset,
            emulator=14566 + offset,
            ecs=14570 + offset,
            postgres=15432 + offset,
            redis=16379 + offset,
            redis_bus=16380 + offset,
            ingest_loopback=14935 + offset,
            hook_relay=14936 + offset,
            sources=14937 + offset,
            media_gate=14571 + offset,
            mail=14938 + offset,
        )


@dataclass(frozen=True, slots=True)
class StackPlan:
    """One stack. `run` holds what exists only while it runs; `data` survives a restart.

    `scratch` is of the run too: for many short-lived files, in memory where there is room.
    """

    run: Path
    data: Path
    scratch: Path
    offset: int
    ports: Ports
    external_aws: str | None
    """AWS_ENDPOINT_URL, when another LocalStack-compatible endpoint takes MiniStack's place."""
    sign_in_providers: Path | None = None
    """HEADWATER_SIGN_IN_PROVIDERS: a JSON file of the OpenID providers to sign in with (docs/oauth.md)."""

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def endpoints_file(self) -> Path:
        return self.run / "endpoints.json"

    @property
    def aws_endpoint(self) -> str:
        return self.external_aws or f"http://{LOOPBACK}:{self.ports.emulator}"

    @property
    def ecs_endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.ecs}"

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.api}"

    @property
    def ws_url(self) -> str:
        return f"ws://{LOOPBACK}:{self.ports.ws}"

    @property
    def cdn_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.cdn}"

    @property
    def rtmp_url(self) -> str:
        return f"rtmp://{LOOPBACK}:{self.ports.rtmp}/live"

    @property
    def cache_url(self) -> str:
        return f"redis://{LOOPBACK}:{self.ports.redis}"

    def endpoints(self) -> dict[str, str]:
        """What `endpoints.json` holds: the five addresses of the public contract."""
        return {
            "api": self.api_url,
            "ws": self.ws_url,
            "cdn": self.cdn_url,
            "rtmp": self.rtmp_url,
            "web": self.cdn_url,
        }


def plan_from(environ: Mapping[str, str]) -> StackPlan:
    """The stack that HEADWATER_PORT_OFFSET, HEADWATER_DATA, HEADWATER_SIGN_IN_PROVIDERS and AWS_ENDPOINT_URL ask for.

    Raises PlanError.
    """
    text = environ.get("HEADWATER_PORT_OFFSET", "").strip() or "0"
    try:
        offset = int(text)
    except ValueError:
        raise PlanError(f"HEADWATER_PORT_OFFSET must be a whole number, not {text!r}.") from None
    ports = Ports.at_offset(offset)
    lowest, highest = ports.rtmp, ports.redis_bus
    if lowest < 1 or highest > HIGHEST_PORT:
        raise PlanError(
            f"HEADWATER_PORT_OFFSET={offset} moves ports to {lowest}-{highest}, outside of 1-{HIGHEST_PORT}."
        )
    folder = environ.get("HEADWATER_DATA", "").strip()
    data = Path(folder).expanduser().resolve() if folder else REPOSITORY / "localstack" / ".data"
    run = data / "run" if folder else REPOSITORY / "localstack" / ".run"
    scratch = _SHARED_MEMORY / f"{SCRATCH_PREFIX}{_short_hash(run)}" if _has_room(_SHARED_MEMORY) else run / "scratch"
    external_aws = environ.get("AWS_ENDPOINT_URL", "").strip().rstrip("/") or None
    providers = environ.get("HEADWATER_SIGN_IN_PROVIDERS", "").strip()
    return StackPlan(
        run=run,
        data=data,
        scratch=scratch,
        offset=offset,
        ports=ports,
        external_aws=external_aws,
        sign_in_providers=Path(providers).expanduser().resolve() if providers else None,
    )


def _short_hash(path: Path) -> str:
    """Tells the folders of different stacks apart, and is the same for every run of one."""
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


def _has_room(folder: Path) -> bool:
    """Unpacked functions take about a gigabyte; deleting as much from a disk takes many seconds."""
    try:
        space = os.statvfs(folder)
    except OSError:
        return False
    return os.access(folder, os.W_OK) and space.f_blocks * space.f_frsize >= _ROOM_BYTES

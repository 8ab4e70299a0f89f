"""Where one local stack lives: its ports, folders and public addresses, all derived from two environment variables."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

REPOSITORY = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65535
_MOST_WARM_WORKERS = 20  # infra/config/worker.py
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # the folder made below it is private and carries the name of this stack
_ROOM_BYTES = 4 << 30
_WRITABLE_AS_IT_IS = re.compile(r"[A-Za-z0-9./_+@-]+")
_REGION = "us-east-1"
_CREDENTIAL = "test"
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
            mail=14938 + offset,
            media_gate=14571 + offset,
        )


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """Where the endpoint is that stands for AWS, and whom it takes us for.

    Emulators accept any credentials, but without some no client signs; a key of twelve digits chooses the account.
    """

    endpoint: str
    region: str = _REGION
    access_key: str = _CREDENTIAL
    secret_key: str = field(default=_CREDENTIAL, repr=False)

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }


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
    external_aws: AwsAccess | None = None
    """What AWS_ENDPOINT_URL names, when another LocalStack-compatible endpoint takes MiniStack's place."""
    sign_in_providers: Path | None = None
    """HEADWATER_SIGN_IN_PROVIDERS: a JSON file of the OpenID providers to sign in with (docs/oauth.md)."""
    tasks_from_images: bool = False
    """HEADWATER_TASKS=docker: workers run in Docker, from the images that `make images` builds."""
    ingest_on_demand: bool = False
    """HEADWATER_INGEST=on_demand: no ingest node until a streamer asks for one, which is then a task of the ECS endpoint."""
    warm_workers: int = 0
    """HEADWATER_WARM_WORKERS: so many workers wait for a broadcast (`worker.warm_workers` of a stage on AWS)."""
    enforces_iam: bool = False
    """HEADWATER_IAM=enforced: MiniStack lets a function or a worker do what its role may do on AWS, and no more."""
    iam_journal: Path | None = None
    """HEADWATER_IAM_JOURNAL: a file to note in what every role was allowed and refused (localrun/enforcing_ministack.py)."""

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def endpoints_file(self) -> Path:
        return self.run / "endpoints.json"

    @property
    def aws(self) -> AwsAccess:
        return self.external_aws or AwsAccess(f"http://{LOOPBACK}:{self.ports.emulator}")

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
    """The stack that HEADWATER_PORT_OFFSET, HEADWATER_DATA, HEADWATER_SIGN_IN_PROVIDERS, HEADWATER_TASKS,
    HEADWATER_INGEST, HEADWATER_WARM_WORKERS, HEADWATER_IAM, HEADWATER_IAM_JOURNAL and AWS_ENDPOINT_URL ask for.

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
    for path in (REPOSITORY, data):
        if not _WRITABLE_AS_IT_IS.fullmatch(str(path)):
            raise PlanError(
                f"nginx's configuration cannot name {str(path)!r}: only letters, digits and ./_+@- will do. "
                + ("HEADWATER_DATA names another data folder." if path == data else "Move the checkout.")
            )
    run = data / "run" if folder else REPOSITORY / "localstack" / ".run"
    scratch = _SHARED_MEMORY / f"{SCRATCH_PREFIX}{_short_hash(run)}" if _has_room(_SHARED_MEMORY) else run / "scratch"
    providers = environ.get("HEADWATER_SIGN_IN_PROVIDERS", "").strip()
    journal = environ.get("HEADWATER_IAM_JOURNAL", "").strip()
    return StackPlan(
        run=run,
        data=data,
        scratch=scratch,
        offset=offset,
        ports=ports,
        external_aws=_external_aws(environ),
        sign_in_providers=Path(providers).expanduser().resolve() if providers else None,
        tasks_from_images=_tasks(environ) == "docker",
        ingest_on_demand=_ingest(environ) == "on_demand",
        warm_workers=_warm_workers(environ),
        enforces_iam=_iam(environ) == "enforced",
        iam_journal=Path(journal).expanduser().resolve() if journal else None,
    )


def _tasks(environ: Mapping[str, str]) -> str:
    asked = environ.get("HEADWATER_TASKS", "").strip() or "processes"
    if asked not in ("processes", "docker"):
        raise PlanError(f"HEADWATER_TASKS must be `processes` (or nothing) or `docker`, not {asked!r}.")
    return asked


def _ingest(environ: Mapping[str, str]) -> str:
    """Raises PlanError."""
    asked = environ.get("HEADWATER_INGEST", "").strip() or "always"
    if asked not in ("always", "on_demand"):
        raise PlanError(f"HEADWATER_INGEST must be `always` (or nothing) or `on_demand`, not {asked!r}.")
    return asked


def _warm_workers(environ: Mapping[str, str]) -> int:
    """Raises PlanError."""
    asked = environ.get("HEADWATER_WARM_WORKERS", "").strip() or "0"
    if not asked.isascii() or not asked.isdecimal() or int(asked) > _MOST_WARM_WORKERS:
        raise PlanError(f"HEADWATER_WARM_WORKERS must be a number from 0 to {_MOST_WARM_WORKERS}, not {asked!r}.")
    return int(asked)


def _iam(environ: Mapping[str, str]) -> str:
    """Raises PlanError."""
    asked = environ.get("HEADWATER_IAM", "").strip()
    if asked not in ("", "enforced"):
        raise PlanError(f"HEADWATER_IAM must be `enforced`, or unset, not {asked!r}.")
    return asked


def _external_aws(environ: Mapping[str, str]) -> AwsAccess | None:
    """The endpoint that AWS_ENDPOINT_URL names, with the region and credentials set beside it. Raises PlanError.

    Without it, none of them is looked at: our own emulator must not depend on what somebody uses AWS with.
    """
    endpoint = environ.get("AWS_ENDPOINT_URL", "").strip().rstrip("/")
    if not endpoint:
        return None
    parts = urlsplit(endpoint)
    if parts.scheme != "http" or not parts.hostname or parts.path or parts.username:
        raise PlanError(f"AWS_ENDPOINT_URL must look like http://localhost:4566, not {endpoint!r}.")
    if f".{parts.hostname}".endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        raise PlanError("AWS_ENDPOINT_URL must name an emulator of AWS; the local stack is not for AWS itself.")
    return AwsAccess(
        endpoint,
        region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or _REGION,
        access_key=environ.get("AWS_ACCESS_KEY_ID") or _CREDENTIAL,
        secret_key=environ.get("AWS_SECRET_ACCESS_KEY") or _CREDENTIAL,
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

"""What a deployer decides, per stage, as frozen values. Stacks read these; product code never learns which stage it is in.

A stage either creates a thing or is given an existing one. Everything that differs between one machine and AWS is a
value here (a URL, an image, a runtime), so that constructs and stacks hold no `if local`.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from typing import Any, Literal

from headwater.domain.sign_in_providers import configured_provider


class ConfigurationError(Exception):
    """A stage or one of its settings is unknown, missing or malformed. The message names it and what would be right."""


@dataclass(frozen=True, kw_only=True)
class PublicUrls:
    """Where clients reach the deployment, as they are told. No trailing slash."""

    api: str
    ws: str
    cdn: str
    web: str
    rtmp: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FunctionRuntime:
    """What the functions run on, and so what their bundles are built for.

    `wheel_platform` is uv's `--python-platform`; None means this machine and this interpreter.
    """

    python: str
    architecture: Literal["arm64", "x86_64"]
    wheel_platform: str | None


LAMBDA = FunctionRuntime(python="3.13", architecture="arm64", wheel_platform="aarch64-manylinux_2_34")


@dataclass(frozen=True, kw_only=True)
class WorkerTask:
    """One ffmpeg-worker: sized for the full ladder of a 1080p60 source, all rungs encoded (about 3.4 vCPU)."""

    image: str
    cpu: int = 4096
    memory_mib: int = 8192
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    public_ip: bool
    start_limit_seconds: int


@dataclass(frozen=True, kw_only=True)
class ServiceLimits:
    """Requests per minute and address before the API answers 429, and e-mails per hour that somebody can have sent to one
    address; what one user may have, and may say in one chat room."""

    registrations_per_minute: int = 5
    logins_per_minute: int = 10
    mails_per_hour: int = 5
    streams_per_user: int = 100
    broadcasts_per_user: int = 10  # on the air at once
    longest_broadcast_seconds: int = 48 * 3600
    clips_per_minute: int = 10
    playback_sessions_per_minute: int = 120
    chat_connections_per_minute: int = 120
    chat_joins_per_minute: int = 60
    chat_message_burst: int = 20
    chat_messages_per_minute: int = 40
    chat_room_message_burst: int = 400
    chat_room_messages_per_second: int = 200


@dataclass(frozen=True, kw_only=True)
class SignInProvider:
    """An OpenID provider to sign in with, as in docs/oauth.md. `issuer` may be left out for google and twitch.

    A `client_secret` given here ends up in the template: for one machine. Elsewhere it is put into the secret afterwards.
    """

    name: str
    client_id: str
    issuer: str | None = None
    label: str | None = None
    client_secret: str | None = None

    def __post_init__(self) -> None:
        try:
            configured_provider(self.name, self.client_id, self.issuer, self.label)
        except ValueError as error:
            raise ConfigurationError(str(error)) from None


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Everything the stacks need to know about one deployment.

    Exactly one of `database_url` (becomes a secret) and `database_secret_arn` (an existing secret, `{"url": …}`) is set.
    `websocket_callback_url` is the base of `@connections`, with `{api_id}` and `{stage}` to be filled in; None means
    API Gateway's own address. `socket_route_responses`: a WebSocket route answers its sender only when it is told to; the
    local emulator always does, and does not know the resource that says so. `function_environment` is given to every
    function on top of its own settings. `mail_sender` is whom e-mails to account owners come from, `Name <address>`; SES is
    told that its domain is ours, and the deployer tells the domain's DNS (docs/accounts.md).
    `recording_retention_days`: how long recordings are kept, and their clips; None for as long as their owners keep them.
    `keep_data` outlives the stacks; `require_tls` makes stores refuse plain HTTP, which one machine's loopback speaks.
    """

    name: str
    urls: PublicUrls
    mail_sender: str
    cors_origins: tuple[str, ...]
    cache_url: str
    database_url: str | None = None
    database_secret_arn: str | None = None
    websocket_callback_url: str | None = None
    socket_route_responses: bool = True
    function_runtime: FunctionRuntime = LAMBDA
    function_environment: Mapping[str, str] = field(default_factory=dict)
    worker: WorkerTask
    limits: ServiceLimits = ServiceLimits()
    sign_in_providers: tuple[SignInProvider, ...] = ()
    keep_data: bool = True
    require_tls: bool = True
    log_retention_days: Literal[1, 7, 30, 90] = 30
    recording_retention_days: int | None = None

    @property
    def cluster_name(self) -> str:
        return f"headwater-{self.name}"

    @property
    def mail_domain(self) -> str:
        _, at, domain = parseaddr(self.mail_sender)[1].rpartition("@")
        return domain if at else ""

    def __post_init__(self) -> None:
        if not self.mail_domain:
            raise ConfigurationError(f"stage {self.name!r}: mail_sender must be `Name <address>`")
        if (self.database_url is None) == (self.database_secret_arn is None):
            raise ConfigurationError(f"stage {self.name!r}: set exactly one of database_url and database_secret_arn")


@dataclass(frozen=True, kw_only=True)
class LocalValues:
    """What the local stack hands to the stage `local`: the addresses it chose. The defaults are the public contract's.

    `aws_endpoint` is where functions reach AWS APIs, `ecs_endpoint` where they reach ECS alone, and
    `websocket_callback_url` the pattern described in `Stage`.
    """

    api_url: str = "http://127.0.0.1:8000"
    ws_url: str = "ws://127.0.0.1:8001"
    cdn_url: str = "http://127.0.0.1:8080"
    web_url: str = "http://127.0.0.1:8080"
    rtmp_urls: tuple[str, ...] = ("rtmp://127.0.0.1:1935/live",)
    cache_url: str = "redis://127.0.0.1:16379"
    database_url: str = "postgresql+psycopg://headwater@127.0.0.1:15432/headwater"
    aws_endpoint: str = "http://127.0.0.1:14566"
    ecs_endpoint: str = "http://127.0.0.1:14570"
    websocket_callback_url: str = "http://127.0.0.1:14566/_aws/execute-api/{api_id}/{stage}"
    sign_in_providers: tuple[SignInProvider, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> LocalValues:
        """Values from a JSON object of the fields' names. Raises ConfigurationError naming what is unknown or wrong."""
        try:
            given = json.loads(text)
        except ValueError as error:
            raise ConfigurationError(f"the values of the stage 'local' are not JSON: {error}") from None
        if not isinstance(given, dict):
            raise ConfigurationError("the values of the stage 'local' must be a JSON object")
        names = {each.name for each in dataclasses.fields(cls)}
        if unknown := sorted(given.keys() - names):
            raise ConfigurationError(
                f"unknown value of the stage 'local': {', '.join(unknown)}; known: {', '.join(sorted(names))}"
            )
        return cls(**{name: _checked(name, value) for name, value in given.items()})


def _checked(name: str, value: object) -> Any:
    if name == "rtmp_urls":
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            return tuple(value)
        raise ConfigurationError("rtmp_urls of the stage 'local' must be a list of URLs")
    if name == "sign_in_providers":
        if isinstance(value, list):
            return tuple(_sign_in_provider(each) for each in value)
        raise ConfigurationError("sign_in_providers of the stage 'local' must be a list of objects")
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{name} of the stage 'local' must be a non-empty string")
    return value


def _sign_in_provider(value: object) -> SignInProvider:
    names = [each.name for each in dataclasses.fields(SignInProvider)]
    if not isinstance(value, dict) or not {"name", "client_id"} <= value.keys() <= set(names):
        raise ConfigurationError(
            f"a sign-in provider is an object with name, client_id, and perhaps {', '.join(names[2:])}"
        )
    if not all(isinstance(each, str) for each in value.values()):
        raise ConfigurationError("the values of a sign-in provider are strings")
    return SignInProvider(**value)


def local(values: LocalValues) -> Stage:
    """The whole system on one machine: existing database and cache, everything else created in a local AWS endpoint."""
    return Stage(
        name="local",
        urls=PublicUrls(
            api=values.api_url, ws=values.ws_url, cdn=values.cdn_url, web=values.web_url, rtmp=values.rtmp_urls
        ),
        mail_sender="Headwater <no-reply@headwater.localhost>",
        cors_origins=tuple(dict.fromkeys((values.web_url, values.cdn_url))),
        cache_url=values.cache_url,
        database_url=values.database_url,
        websocket_callback_url=values.websocket_callback_url,
        socket_route_responses=False,
        function_runtime=FunctionRuntime(
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
            architecture="arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64",
            wheel_platform=None,
        ),
        function_environment={"AWS_ENDPOINT_URL": values.aws_endpoint, "AWS_ENDPOINT_URL_ECS": values.ecs_endpoint},
        worker=WorkerTask(
            image="headwater/ffmpeg-worker",
            subnets=("subnet-local",),
            security_groups=("sg-local",),
            public_ip=False,
            start_limit_seconds=15,
        ),
        limits=ServiceLimits(
            registrations_per_minute=300,
            logins_per_minute=300,
            mails_per_hour=300,
            streams_per_user=10_000,
            broadcasts_per_user=100,
            clips_per_minute=600,
            playback_sessions_per_minute=6000,
            chat_connections_per_minute=60_000,
            chat_joins_per_minute=6000,
            chat_message_burst=300,
            chat_messages_per_minute=6000,
            chat_room_message_burst=10_000,
            chat_room_messages_per_second=2_000,
        ),
        sign_in_providers=values.sign_in_providers,
        keep_data=False,
        require_tls=False,
        log_retention_days=1,
    )


STAGES: Mapping[str, Callable[[LocalValues], Stage]] = {"local": local}


def stage_named(name: str, *, local_values_file: str | None) -> Stage:
    """The stage called `name`. Raises ConfigurationError when there is none, or when the file cannot be used."""
    if name not in STAGES:
        raise ConfigurationError(f"there is no stage {name!r}; choose with `-c stage=…` one of: {', '.join(STAGES)}")
    if local_values_file is None:
        return STAGES[name](LocalValues())
    try:
        text = Path(local_values_file).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"HEADWATER_LOCAL names a file that cannot be read: {error}") from None
    return STAGES[name](LocalValues.from_json(text))

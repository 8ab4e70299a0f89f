"""The stage `local`: the whole system on one machine, with the addresses that the local stack chose."""

from __future__ import annotations

import dataclasses
import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.config.api import Api, Concurrency
from infra.config.cache import ExistingCache
from infra.config.database import ExistingDatabase
from infra.config.errors import ConfigurationError
from infra.config.ingest import IngestService
from infra.config.stage import Stage
from infra.config.values import FunctionRuntime, PublicUrls, ServiceLimits, SignInProvider
from infra.config.worker import WorkerTask


@dataclass(frozen=True, kw_only=True)
class LocalValues:
    """What the local stack hands to the stage `local`: the addresses it chose. The defaults are the public contract's.

    `aws_endpoint` is where functions reach AWS APIs, `ecs_endpoint` where they reach ECS alone, and
    `websocket_callback_url` the pattern described in `Stage`. `ingest_node` is the environment of an ingest node on this
    machine, where nodes are started on demand; None where one always runs.
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
    ingest_node: Mapping[str, str] | None = None
    warm_workers: int = 0

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

    @classmethod
    def from_file(cls, path: str) -> LocalValues:
        """Values from a JSON file. Raises ConfigurationError when it cannot be read, or for what is in it."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"HEADWATER_LOCAL names a file that cannot be read: {error}") from None
        return cls.from_json(text)


def _checked(name: str, value: object) -> Any:
    if name == "rtmp_urls":
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            return tuple(value)
        raise ConfigurationError("rtmp_urls of the stage 'local' must be a list of URLs")
    if name == "sign_in_providers":
        if isinstance(value, list):
            return tuple(_sign_in_provider(each) for each in value)
        raise ConfigurationError("sign_in_providers of the stage 'local' must be a list of objects")
    if name == "ingest_node":
        if value is None or (isinstance(value, dict) and all(isinstance(each, str) for each in value.values())):
            return value
        raise ConfigurationError("ingest_node of the stage 'local' must be an object of variables and their values")
    if name == "warm_workers":
        if isinstance(value, int) and not isinstance(value, bool):
            return value  # how many there may be, the worker's task says
        raise ConfigurationError("warm_workers of the stage 'local' must be a whole number")
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
    """Existing database and cache, no network of its own, everything else created in a local AWS endpoint."""
    return Stage(
        name="local",
        urls=PublicUrls(
            api=values.api_url, ws=values.ws_url, cdn=values.cdn_url, web=values.web_url, rtmp=values.rtmp_urls
        ),
        mail_sender="Headwater <no-reply@headwater.localhost>",
        database=ExistingDatabase(url=values.database_url, verify_certificate=False),  # over the loopback
        cache=ExistingCache(url=values.cache_url),
        # One: every node has the same ports of this machine.
        ingest=None
        if values.ingest_node is None
        else IngestService(
            on_demand=True,
            max_tasks=1,
            wish_seconds=60,
            image="headwater/rtmp-ingest",
            subnets=("subnet-local",),
            security_groups=("sg-local",),
            node_environment=values.ingest_node,
        ),
        worker=WorkerTask(
            image="headwater/ffmpeg-worker",
            subnets=("subnet-local",),
            security_groups=("sg-local",),
            public_ip=False,
            spot=False,
            start_limit_seconds=15,
            warm_workers=values.warm_workers,
        ),
        # The emulator has one writer of logs for all, and knows no limit of what SQS hands out at once.
        api=Api(sockets_log="account_role", concurrency=Concurrency(writers=None)),
        websocket_callback_url=values.websocket_callback_url,
        hooks_base_url=f"{values.aws_endpoint}/_aws/execute-api/{{api_id}}/$default",
        socket_route_responses=False,
        uses_bootstrap_roles=False,
        function_runtime=FunctionRuntime(
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
            architecture="arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64",
            wheel_platform=None,
        ),
        function_environment={"AWS_ENDPOINT_URL": values.aws_endpoint, "AWS_ENDPOINT_URL_ECS": values.ecs_endpoint},
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

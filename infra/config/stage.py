"""What a deployer decides, per stage, as frozen values. Stacks read these; product code never learns which stage it is in.

A stage either creates a thing or is given an existing one, or does without it. Everything that differs between one machine
and AWS is a value here (a URL, an image, a runtime), so that constructs and stacks hold no `if local`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Literal

from infra.config.api import Api
from infra.config.cache import ExistingCache, ServerlessValkey
from infra.config.database import Aurora, ExistingDatabase
from infra.config.delivery import Delivery
from infra.config.errors import ConfigurationError
from infra.config.ingest import IngestService
from infra.config.monitoring import Monitoring
from infra.config.network import ExistingNetwork, Network
from infra.config.values import LAMBDA, FunctionRuntime, PublicUrls, ServiceLimits, SignInProvider
from infra.config.worker import WorkerTask


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Everything the stacks need to know about one deployment.

    Each area has its own values: `network`, `database`, `cache`, `ingest`, `worker`, `delivery`, `api`, `monitoring`; where
    they are None, the stage has no such stack. `urls` is where clients reach a deployment whose front is not made here; None
    means the addresses that its own stacks have. `region` is checked for every service that is needed; None means the CLI's.

    `websocket_callback_url` is the base of `@connections`, with `{api_id}` and `{stage}` to be filled in; None means
    API Gateway's own address. `hooks_base_url` is likewise that of the hooks' API, with `{api_id}` to be filled in.
    `socket_route_responses`: a WebSocket route answers its sender only when it is told to; the local emulator always does, and
    does not know the resource that says so. `function_environment` is given to every
    function on top of its own settings. `mail_sender` is whom e-mails to account owners come from, `Name <address>`; SES is
    told that its domain is ours, and the deployer tells the domain's DNS (docs/accounts.md).
    `recording_retention_days`: how long recordings are kept, and their clips; None for as long as their owners keep them.
    `uses_bootstrap_roles`: the CLI deploys by the roles that `cdk bootstrap` has made, and CloudFormation by one of them;
    without, both act with the caller's own credentials (the local emulator's caller may do everything, and it does not know
    how these roles reach their bucket). `keep_data` outlives the stacks; `require_tls` makes stores refuse plain HTTP, which
    one machine's loopback speaks.
    """

    name: str
    mail_sender: str
    region: str | None = None
    urls: PublicUrls | None = None
    network: Network | ExistingNetwork | None = None
    database: Aurora | ExistingDatabase
    cache: ServerlessValkey | ExistingCache
    ingest: IngestService | None = None
    worker: WorkerTask = field(default_factory=WorkerTask)
    delivery: Delivery | None = None
    api: Api = field(default_factory=Api)
    monitoring: Monitoring | None = None
    websocket_callback_url: str | None = None
    hooks_base_url: str | None = None
    socket_route_responses: bool = True
    uses_bootstrap_roles: bool = True
    function_runtime: FunctionRuntime = LAMBDA
    function_environment: Mapping[str, str] = field(default_factory=dict)
    limits: ServiceLimits = field(default_factory=ServiceLimits)
    sign_in_providers: tuple[SignInProvider, ...] = ()
    keep_data: bool = True
    require_tls: bool = True
    log_retention_days: Literal[1, 7, 30, 90] = 30
    recording_retention_days: int | None = None

    @property
    def cluster_name(self) -> str:
        return f"headwater-{self.name}"

    @property
    def metrics_namespace(self) -> str:
        """Of this stage alone, so that no alarm of one stage listens to another in the same account."""
        return f"Headwater/{self.name}"

    @property
    def mail_domain(self) -> str:
        _, at, domain = parseaddr(self.mail_sender)[1].rpartition("@")
        return domain if at else ""

    def __post_init__(self) -> None:
        if not self.mail_domain:
            raise ConfigurationError(f"mail_sender must be `Name <address>`, not {self.mail_sender!r}")
        if self.urls is None and self.delivery is None:
            raise ConfigurationError("set delivery, or urls: media and pages need an address")
        if self.urls is not None and self.delivery is not None:
            raise ConfigurationError(
                "urls are of a front that is not made here: leave them out, or set delivery = false"
            )
        if self.network is None and not (
            isinstance(self.database, ExistingDatabase) and isinstance(self.cache, ExistingCache)
        ):
            raise ConfigurationError("set network: a database and a cache that are made here have to be in one")
        if self.recording_retention_days is not None and self.recording_retention_days < 1:
            raise ConfigurationError("recording_retention_days must be at least 1; leave it out to keep recordings")

"""The ingest nodes: an ECS service behind a network load balancer, or tasks that are started for who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.config.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class IngestService:
    """`min_tasks` to `max_tasks` nodes, so many that each has about `publishers_per_task`. Prices are us-east-1's, USD.

    A node of 0.5 vCPU and 1 GB is $14.42 a month and its public address $3.65; the load balancer is $16.43, $3.65 for its
    address in each zone, and $0.006 per GB that comes in. With `min_tasks` 2 the loss of a zone costs nobody more than a
    reconnection; with 1, about a minute without a node. A node keeps the last minute of every source, 38 MB at 5 Mbit/s, in
    what memory it has beside 384 MiB for itself; where there are more, it keeps less of each.

    `certificate_arn` is a certificate in ACM, in the deployment's region, for `domain`, which the deployer's DNS leads to the
    output `LoadBalancerName`: RTMPS on 443. Without one there is no TLS, and stream keys cross the internet in the clear.
    `domain` alone names the addresses of plain RTMP.

    Nodes that are to go (a deployment, fewer publishers) let present ones finish for up to an hour; one that has publishers
    is not chosen when the service scales in. `image` as in `worker`.

    `on_demand`: no load balancer, and no node until a streamer asks for one (`POST /v1/streams/{id}/ingest/open`), which
    takes half a minute to a minute. Idle, that is $42.20 a month less; while somebody is on the air, a node is $0.025 an hour
    with its address. It goes `wish_seconds` after it was last wanted, and every publisher has to ask for the address
    of the day, so it is for few who publish now and then. There is no TLS: that is the load balancer's. `subnets` and
    `security_groups` are those of the stage's network unless they are given; what is in `node_environment` is put over a
    node's own settings.
    """

    on_demand: bool = False
    wish_seconds: int = 900
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    node_environment: Mapping[str, str] = field(default_factory=dict)
    min_tasks: int = 1
    max_tasks: int = 4
    publishers_per_task: int = 12
    cpu: int = 512
    memory_mib: int = 1024
    image: str | None = None
    domain: str | None = None
    certificate_arn: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.min_tasks <= self.max_tasks:
            raise ConfigurationError(
                f"ingest.min_tasks must be from 1 to ingest.max_tasks ({self.max_tasks}), not {self.min_tasks}"
            )
        if not 1 <= self.publishers_per_task <= 1000:
            raise ConfigurationError("ingest.publishers_per_task must be from 1 to 1000")
        if self.cpu not in (256, 512, 1024, 2048, 4096):
            raise ConfigurationError(f"ingest.cpu must be 256, 512, 1024, 2048 or 4096, not {self.cpu}")
        # Fargate has more for less CPU than 8 GB, but not all; from 1 vCPU on, two to eight times as many GB as vCPU.
        least, most = max(1024, 2 * self.cpu if self.cpu > 512 else 1024), max(2048, 8 * self.cpu)
        if self.memory_mib % 1024 or not least <= self.memory_mib <= most:
            raise ConfigurationError(
                f"ingest.memory_mib must be a multiple of 1024 from {least} to {most} for ingest.cpu {self.cpu}, "
                f"not {self.memory_mib}"
            )
        if self.domain is not None and ("." not in self.domain or "/" in self.domain or ":" in self.domain):
            raise ConfigurationError(
                f"ingest.domain must be a bare host name (ingest.example.com), not {self.domain!r}"
            )
        if self.on_demand:
            self._check_on_demand()
        if self.certificate_arn is not None:
            if not self.certificate_arn.startswith("arn:") or ":acm:" not in self.certificate_arn:
                raise ConfigurationError(
                    f"ingest.certificate_arn must be the whole ARN of a certificate in ACM (arn:aws:acm:…), "
                    f"not {self.certificate_arn!r}"
                )
            if self.domain is None:
                raise ConfigurationError("ingest.certificate_arn: set ingest.domain, the name that it is for")

    def _check_on_demand(self) -> None:
        if self.domain is not None or self.certificate_arn is not None:
            given = "certificate_arn" if self.certificate_arn is not None else "domain"
            raise ConfigurationError(
                f"ingest.{given} is of the load balancer, which has the name and takes TLS off; with ingest.on_demand there "
                f"is none, and a node has a new address each time. Leave it out, or set ingest.on_demand = false"
            )
        if self.min_tasks != 1:
            raise ConfigurationError(
                "ingest.min_tasks: with ingest.on_demand no node runs until somebody asks. Leave it out, or set "
                "ingest.on_demand = false"
            )
        if not 60 <= self.wish_seconds <= 86_400:
            raise ConfigurationError(f"ingest.wish_seconds must be from 60 to 86400, not {self.wish_seconds}")

"""The ECS service of the ingest nodes, behind a network load balancer."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

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
        if self.certificate_arn is not None:
            if not self.certificate_arn.startswith("arn:") or ":acm:" not in self.certificate_arn:
                raise ConfigurationError(
                    f"ingest.certificate_arn must be the whole ARN of a certificate in ACM (arn:aws:acm:…), "
                    f"not {self.certificate_arn!r}"
                )
            if self.domain is None:
                raise ConfigurationError("ingest.certificate_arn: set ingest.domain, the name that it is for")

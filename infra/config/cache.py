"""The cache: made by the stack, or an existing one."""

from __future__ import annotations

from dataclasses import dataclass

from infra.config.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class ServerlessValkey:
    """ElastiCache Serverless for Valkey: always there, in several zones. Prices are us-east-1's, USD.

    $0.084 per GB stored and hour with a minimum of 0.1 GB, so $6.13 a month when idle, and $0.0023 per million ECPUs (1 KB
    of a simple command each). The limits cap the bill: beyond them it evicts, or answers that it is busy.
    """

    max_gigabytes: int = 5
    max_ecpu_per_second: int = 30_000

    def __post_init__(self) -> None:
        if not 1 <= self.max_gigabytes <= 5000:
            raise ConfigurationError("cache.max_gigabytes must be from 1 to 5000")
        if not 1000 <= self.max_ecpu_per_second <= 15_000_000:
            raise ConfigurationError("cache.max_ecpu_per_second must be from 1000 to 15000000")


@dataclass(frozen=True, kw_only=True)
class ExistingCache:
    """Redis 7 or Valkey 7.2 or later that is there already, in cluster mode; `rediss://` speaks TLS. `security_group` is its
    firewall, to be opened to the functions; None where it lets them in already."""

    url: str
    security_group: str | None = None

    def __post_init__(self) -> None:
        if not self.url.startswith(("redis://", "rediss://")):
            raise ConfigurationError(f"cache.url must begin with rediss:// (or redis://), not {self.url!r}")
        if self.security_group is not None and not self.security_group.startswith("sg-"):
            raise ConfigurationError("cache.security_group must be the id of one (sg-…)")

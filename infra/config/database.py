"""PostgreSQL: an Aurora cluster made by the stack, or an existing database."""

from __future__ import annotations

from dataclasses import dataclass

from infra.config.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Aurora:
    """Aurora PostgreSQL Serverless v2. Prices are us-east-1's, USD: $0.12 per ACU (2 GiB) and hour, $0.10 per GB and month.

    `min_acu`: 0 lets it sleep after `pause_after_seconds` without a connection ($0 while it does; who wakes it waits about
    15 s); 0.5 is always there, for $43.80 a month and instance. `readers` are spares that take over within half a minute,
    each for at least as much again. `certificate_authorities` is a PEM file of whoever signs the cluster's certificate; None
    for the authorities of RDS that are known here, of every region up to 2023 (decision 0039).
    """

    min_acu: float = 0.5
    max_acu: float = 8
    pause_after_seconds: int = 300
    readers: int = 1
    backup_days: int = 7
    certificate_authorities: str | None = None

    def __post_init__(self) -> None:
        if self.min_acu * 2 != int(self.min_acu * 2) or not 0 <= self.min_acu <= self.max_acu:
            raise ConfigurationError(
                f"database.min_acu must be a multiple of 0.5 from 0 to max_acu ({self.max_acu}), not {self.min_acu}"
            )
        if self.max_acu * 2 != int(self.max_acu * 2) or not 1 <= self.max_acu <= 256:
            raise ConfigurationError(f"database.max_acu must be a multiple of 0.5 from 1 to 256, not {self.max_acu}")
        if not 300 <= self.pause_after_seconds <= 86_400:
            raise ConfigurationError("database.pause_after_seconds must be from 300 (5 minutes) to 86400 (a day)")
        if not 0 <= self.readers <= 15:
            raise ConfigurationError("database.readers must be from 0 to 15")
        if not 1 <= self.backup_days <= 35:
            raise ConfigurationError("database.backup_days must be from 1 to 35")


@dataclass(frozen=True, kw_only=True)
class ExistingDatabase:
    """A PostgreSQL 15 or later that is there already. Exactly one of these is set:

    `secret_arn`, an existing secret with `{"url": "postgresql+psycopg://…"}` or in the form that RDS keeps (`host`, `username`,
    `password`, …); `url`, which becomes a secret, and is readable in the template: one with a password is for one machine.
    `security_group` is the database's firewall, to be opened to the functions; None where it lets them in already.

    Connections are encrypted, and the database shows a certificate for the name that the secret or the url calls it by,
    whatever the url says of `sslmode`. `certificate_authorities` is a PEM file of whoever signs it; None for those of RDS.
    `verify_certificate = false` leaves both to the url: for a database that is reached over a wire nobody else is on.
    """

    url: str | None = None
    secret_arn: str | None = None
    security_group: str | None = None
    certificate_authorities: str | None = None
    verify_certificate: bool = True

    def __post_init__(self) -> None:
        if self.certificate_authorities is not None and not self.verify_certificate:
            raise ConfigurationError(
                "database.certificate_authorities is of no use with verify_certificate = false: leave one of them out"
            )
        if (self.url is None) == (self.secret_arn is None):
            raise ConfigurationError("database: set exactly one of url and secret_arn")
        if self.secret_arn is not None and not self.secret_arn.startswith("arn:"):
            raise ConfigurationError("database.secret_arn must be the whole ARN of a secret (arn:aws:secretsmanager:…)")
        if self.url is not None and "://" not in self.url:
            raise ConfigurationError("database.url must be an address (postgresql+psycopg://user@host:5432/name)")
        if self.security_group is not None and not self.security_group.startswith("sg-"):
            raise ConfigurationError("database.security_group must be the id of one (sg-…)")

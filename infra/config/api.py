"""The HTTP API and the WebSocket API: what they let in, what they are called, how many of their functions run at once."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from infra.config.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Throttle:
    """Requests that a route lets in, of everybody together: so many a second, after `burst` at once. Beyond, API Gateway
    answers 429 by itself, wakes no function and charges nothing. What one address or one account may do is counted by the
    functions, far below this (`limits`)."""

    per_second: int
    burst: int


@dataclass(frozen=True, kw_only=True)
class Throttles:
    """`reads_and_writes` is the whole REST API but for `signing_in`: a password costs 22 ms of a core and 19 MiB each, so
    it is the dearest thing that a stranger can ask for. `token_keys` is fetched by whoever checks our tokens. `hooks` are
    those of the ingest nodes. A chat client opens one socket (`connecting`), sends `frames`, and is gone (`leaving`)."""

    reads_and_writes: Throttle = Throttle(per_second=1_000, burst=1_000)
    signing_in: Throttle = Throttle(per_second=50, burst=100)
    token_keys: Throttle = Throttle(per_second=100, burst=200)
    hooks: Throttle = Throttle(per_second=5_000, burst=5_000)  # every publisher has one in two seconds
    connecting: Throttle = Throttle(per_second=500, burst=500)  # AWS opens 500 sockets a second for an account
    frames: Throttle = Throttle(per_second=2_000, burst=2_000)
    leaving: Throttle = Throttle(per_second=2_000, burst=2_000)

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            throttle: Throttle = getattr(self, each.name)
            # What an account has in a region, for all of its APIs together.
            if not 1 <= throttle.per_second <= 10_000:
                raise ConfigurationError(
                    f"api.throttles.{each.name}.per_second must be from 1 to 10000, not {throttle.per_second}"
                )
            if not 1 <= throttle.burst <= 5_000:
                raise ConfigurationError(
                    f"api.throttles.{each.name}.burst must be from 1 to 5000, not {throttle.burst}"
                )


@dataclass(frozen=True, kw_only=True)
class Concurrency:
    """How many copies of a function run at once, at most, each number for the store behind it. None: what the account has.

    `api` is *reserved*: taken from the account's limit (1,000, of which 100 must stay unreserved; a new account may have 10,
    and then none can be reserved) and kept for this function alone. Each copy holds a connection of PostgreSQL; Aurora takes
    about 200 for each ACU of `database.max_acu`, 2,000 at most where `min_acu` is 0 or 0.5. It also keeps a flood of calls
    from taking what ingest hooks and chat run on.
    `writers` is the limit of SQS on each queue's consumer that writes to PostgreSQL (history, archive, pictures, mail,
    account data): a backlog after a night without a database comes back as so many connections and no more. It reserves
    nothing, and what is over it waits in the queue.
    """

    api: int | None = None
    writers: int | None = 10

    def __post_init__(self) -> None:
        if self.api is not None and not 1 <= self.api <= 10_000:
            raise ConfigurationError(f"api.concurrency.api must be from 1 to 10000, not {self.api}")
        if self.writers is not None and not 2 <= self.writers <= 1000:
            raise ConfigurationError(f"api.concurrency.writers must be from 2 to 1000 (SQS's own), not {self.writers}")


@dataclass(frozen=True, kw_only=True)
class OwnDomain:
    """A name of the deployer's, and its certificate in ACM, in the deployment's region. The deployer's DNS leads the name to
    what the stack's output `…DomainTarget` says; the address that API Gateway made is then closed."""

    name: str
    certificate_arn: str


@dataclass(frozen=True, kw_only=True)
class Api:
    """`more_origins` are pages, beside the deployment's own, from which browsers may call the API and chat.

    `domain` and `chat_domain` are names of one's own, two of them: API Gateway serves no WebSocket API under the name of an
    HTTP API. `sockets_log`: API Gateway writes the access log of a WebSocket API by a role that is one for the whole account
    and region. `"new_role"` makes it (and replaces one that somebody has set), `"account_role"` uses what is there, `"off"`
    writes none. A line is about 300 bytes: $0.15 per million.
    """

    more_origins: tuple[str, ...] = ()
    throttles: Throttles = Throttles()
    concurrency: Concurrency = Concurrency()
    domain: OwnDomain | None = None
    chat_domain: OwnDomain | None = None
    sockets_log: Literal["new_role", "account_role", "off"] = "new_role"

    def __post_init__(self) -> None:
        for setting, domain in (("domain", self.domain), ("chat_domain", self.chat_domain)):
            if domain is None:
                continue
            if "." not in domain.name or "/" in domain.name or ":" in domain.name:
                raise ConfigurationError(
                    f"api.{setting}.name must be a bare host name (x.example.com), not {domain.name!r}"
                )
            if not domain.certificate_arn.startswith("arn:") or ":acm:" not in domain.certificate_arn:
                raise ConfigurationError(
                    f"api.{setting}.certificate_arn must be the whole ARN of a certificate in ACM (arn:aws:acm:…), "
                    f"not {domain.certificate_arn!r}"
                )
        if self.domain is not None and self.chat_domain is not None and self.domain.name == self.chat_domain.name:
            raise ConfigurationError("api.chat_domain must be another name than api.domain: API Gateway wants two")

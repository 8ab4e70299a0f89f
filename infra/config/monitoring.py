"""The dashboard, and alarms that tell a person what to do."""

from __future__ import annotations

from dataclasses import dataclass

from infra.config.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """Alarms go to `mail` (an SNS subscription, which asks its owner once); to the console alone where there is none. What
    each means, and what is to be done, is in docs/runbook.md. Prices are us-east-1's, USD: $0.10 a month for each alarm,
    about 30 of them, and $3.00 for the dashboard; ten alarms and three dashboards of an account are free.

    The others are when an alarm rings. `go_live_seconds`: from an accepted publish to the first segment, of the slowest
    tenth; a Fargate task takes 20–40 s to start, so a stage with warm workers may be stricter. `behind_seconds`: what
    players see, behind what the node received. `chat_lag_seconds`: what waits longest to be delivered to a room.
    `refusals`: publishes that were turned away within five minutes. `monthly_budget_usd` is of everything with this stage's
    tag (docs/deploy.md says how to switch cost allocation tags on); None for no budget.
    """

    mail: str | None = None
    go_live_seconds: int = 60
    behind_seconds: int = 12
    chat_lag_seconds: int = 15
    refusals: int = 20
    monthly_budget_usd: int | None = 100

    def __post_init__(self) -> None:
        if self.mail is not None and "@" not in self.mail:
            raise ConfigurationError(f"monitoring.mail must be an e-mail address, not {self.mail!r}")
        for name in ("go_live_seconds", "behind_seconds", "chat_lag_seconds", "refusals"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"monitoring.{name} must be at least 1, not {getattr(self, name)}")
        if self.monthly_budget_usd is not None and self.monthly_budget_usd < 1:
            raise ConfigurationError("monitoring.monthly_budget_usd must be at least 1; leave it out for no budget")

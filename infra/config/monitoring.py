"""The dashboard, and alarms that tell a person what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """Alarms go to `mail` (an SNS subscription, which asks its owner once); to the console alone where there is none."""

    mail: str | None = None

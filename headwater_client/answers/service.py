"""Client · how the service is."""

from __future__ import annotations

from typing import Literal

from headwater_client.answers.answer import Answer


class Health(Answer, frozen=True):
    status: Literal["ok", "degraded"]
    checks: dict[str, Literal["ok", "failing"]]

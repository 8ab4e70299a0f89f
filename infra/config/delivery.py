"""CloudFront, before media and pages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """`domain` is CloudFront's own unless it is given."""

    domain: str | None = None

"""Every stage · what it tells its operators: structured logs and metrics, set up once, at first use.

Nothing of the form of a stream key or of a token is ever written: `redact` guards the logger, and whoever prints foreign
text (FFmpeg's, nginx's) passes it through `redact` first.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Metrics

NAMESPACE = "Headwater"  # where nobody says otherwise; deployments of several stages in one account have one each

# Wider than a valid key on purpose: a mistyped key is close enough to the true one to be worth hiding.
_STREAM_KEY = re.compile(r"(?i)live_[0-9a-z]{22}_[0-9a-z]{16,}")
# Refresh tokens (hwr_), secrets of links in mail (hwm_), personal access tokens (hwp_); access tokens, which are JWTs.
_TOKEN = re.compile(r"hw[a-z]_[\w-]{16,}")
_JWT = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*")


def redact(text: str) -> str:
    """`text` with everything that looks like a stream key, the stream id in it included, or like a token blotted out."""
    if "live_" in text.lower():
        text = _STREAM_KEY.sub("live_[redacted]", text)
    if "hw" in text:
        text = _TOKEN.sub("[redacted]", text)
    return _JWT.sub("[redacted]", text) if "eyJ" in text else text


@functools.cache
def logger() -> Logger:
    """The process's structured logger: JSON lines on standard output, service and level from Powertools' variables."""
    from aws_lambda_powertools import Logger

    return Logger(json_serializer=_serialise)


@functools.cache
def metrics() -> Metrics:
    """The process's metrics, in CloudWatch's embedded format. Written by `emits_metrics` or `flush_metrics`.

    Namespace and the dimension `service` are those of Powertools' variables.
    """
    from aws_lambda_powertools import Metrics

    return Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or NAMESPACE)


def count(name: str, value: float = 1) -> None:
    """Add `value` to the counter `name`."""
    metrics().add_metric(name=name, unit="Count", value=value)


def measure_ms(name: str, milliseconds: float) -> None:
    """Add one measurement to the distribution `name`."""
    metrics().add_metric(name=name, unit="Milliseconds", value=round(milliseconds))


def flush_metrics() -> None:
    """Write what was counted since the last flush; silent when there is nothing (Powertools would warn)."""
    if metrics().metric_set:
        metrics().flush_metrics()


H = TypeVar("H", bound=Callable[..., Any])


def emits_metrics(handler: H) -> H:
    """Decorate a Lambda handler so that its metrics are written, also when it raises. Costs nothing at import."""

    @functools.wraps(handler)
    def flushing(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        finally:
            flush_metrics()

    return flushing  # type: ignore[return-value]


def _serialise(record: dict[str, Any]) -> str:
    return redact(json.dumps(record, default=str, separators=(",", ":"), ensure_ascii=False))

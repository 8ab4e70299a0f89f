"""Stage 2 · API Gateway's HTTP API events (payload format 2.0) ↔ a signed body and our answer, and errors as statuses."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from functions.ingest_hooks.ingest_event import PublishAccepted, Verdict
from headwater.errors import (
    DependencyUnavailable,
    HeadwaterError,
    HookRejected,
    NotFound,
    PayloadTooLarge,
    PublishRefused,
    StateContended,
)

MAX_BODY_BYTES = 8_192
NODES_ROUTE = "POST /ingest/nodes"
DECISION_HEADER = "X-Headwater-Decision"  # tells a verdict of ours from a 403 of something in between

# The media server reads one digit: 2 go on, 3 renamed, all else refuse. The relay reads the rest: 5xx try again.
_STATUS_OF: dict[type[HeadwaterError], int] = {
    HeadwaterError: 500,
    HookRejected: 401,
    PayloadTooLarge: 413,
    PublishRefused: 403,
    NotFound: 403,
    StateContended: 503,
    DependencyUnavailable: 503,
}


@dataclass(frozen=True, slots=True)
class SignedBody:
    headers: Mapping[str, str]  # lower-case names
    body: bytes


def read_request(event: Mapping[str, Any]) -> SignedBody:
    """Raises PayloadTooLarge above 8 KB, and HookRejected for a body that is not what its encoding says."""
    text = event.get("body") or ""
    if len(text) > 2 * MAX_BODY_BYTES:
        raise PayloadTooLarge
    if event.get("isBase64Encoded"):
        try:
            body = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise HookRejected from None
    else:
        body = text.encode("utf-8", "surrogatepass")
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge
    return SignedBody(event.get("headers") or {}, body)


def is_of_a_node(event: Mapping[str, Any]) -> bool:
    """Whether a node speaks of itself, and not of a publisher."""
    return event.get("routeKey") == NODES_ROUTE


def caller_of(event: Mapping[str, Any]) -> str:
    """The address that the request came from, as API Gateway saw it."""
    return str(event["requestContext"]["http"]["sourceIp"])


def status_of(error: HeadwaterError) -> int:
    """The status of the nearest class that the table knows."""
    return next(_STATUS_OF[kind] for kind in type(error).__mro__ if kind in _STATUS_OF)


def answer(decided: PublishAccepted | Verdict) -> dict[str, Any]:
    match decided:
        case PublishAccepted(stream_name):
            return _response(302, {"Location": stream_name})
        case Verdict.DROP:
            return _response(403)
        case Verdict.GO_ON:
            return _response(204)


def answer_error(error: HeadwaterError) -> dict[str, Any]:
    """No body and no reason: whoever may know it reads our logs."""
    return _response(status_of(error))


def _response(status: int, headers: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    return {"statusCode": status, "headers": {DECISION_HEADER: str(status), **headers}, "body": ""}

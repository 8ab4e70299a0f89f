"""Stage 7 · API Gateway's WebSocket events as types of ours, and answers as it takes them.

AWS: "Set up integration request/response for WebSocket APIs". Header names come as the client wrote them; only
`$connect` has headers and a query; a `body` that is returned goes to the sender.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headwater.domain.client_address import Address, client_address_of
from headwater.domain.ids import ConnectionId
from headwater.errors import DependencyUnavailable, Forbidden, HeadwaterError, RateLimited, Unauthenticated


class _Identity(msgspec.Struct, frozen=True, rename="camel"):
    source_ip: str = ""


class _Context(msgspec.Struct, rename="camel"):
    route_key: str
    connection_id: ConnectionId
    identity: _Identity = _Identity()


class SocketEvent(msgspec.Struct, rename="camel"):
    """One call of a route: `$connect`, `$disconnect`, or `$default` with a frame in `body`."""

    request_context: _Context
    headers: dict[str, str] | None = None
    query_string_parameters: dict[str, str] | None = None
    body: str | None = None
    is_base64_encoded: bool = False

    @property
    def route(self) -> str:
        return self.request_context.route_key

    @property
    def connection_id(self) -> ConnectionId:
        return self.request_context.connection_id

    @property
    def address(self) -> Address:
        return client_address_of(self.request_context.identity.source_ip)

    @property
    def origin(self) -> str | None:
        return next((value for name, value in (self.headers or {}).items() if name.lower() == "origin"), None)

    @property
    def ticket(self) -> str | None:
        return (self.query_string_parameters or {}).get("ticket")

    @property
    def frame(self) -> str:
        """The text frame; empty for a binary one, which the protocol does not have."""
        return "" if self.is_base64_encoded else self.body or ""


def read_event(event: Mapping[str, Any]) -> SocketEvent:
    return msgspec.convert(event, SocketEvent, strict=False)


Answer = dict[str, Any]

# How `$connect` refuses: the browser sees only that the socket did not open, other clients see the status.
_REFUSALS: dict[type[HeadwaterError], int] = {
    Unauthenticated: 401,
    Forbidden: 403,
    RateLimited: 429,
    DependencyUnavailable: 503,
}


def accepted(body: str | None = None) -> Answer:
    return {"statusCode": 200} if body is None else {"statusCode": 200, "body": body}


def refused(error: HeadwaterError) -> Answer:
    status = next((_REFUSALS[kind] for kind in type(error).__mro__ if kind in _REFUSALS), 500)
    return {"statusCode": status}

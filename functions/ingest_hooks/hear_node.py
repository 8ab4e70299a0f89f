"""Stage 2 · ingest on demand: a node announces itself. Where it called from is where encoders will be led."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection
from typing import Annotated, Protocol

import msgspec

from functions.ingest_hooks.wire import SignedBody
from headwater.domain.ingest_fleet import IngestFleet, announce
from headwater.errors import HookRejected
from headwater.hook_signature import verify
from headwater.observability import count, logger


class Fleets(Protocol):
    def change(self, rule: Callable[[IngestFleet], IngestFleet]) -> IngestFleet: ...


class Secrets(Protocol):
    def hook_secrets(self, now: int) -> Collection[bytes]: ...


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    publishers: Annotated[int, msgspec.Meta(ge=0)]
    leaving: bool


def hear_node(request: SignedBody, caller: str, fleets: Fleets, secrets: Secrets, clock: Callable[[], int]) -> None:
    """`caller`: the address that API Gateway saw. Raises HookRejected, and the failures of the fleet's store."""
    now = clock()
    try:
        origin = verify(secrets.hook_secrets(now), request.headers, request.body, now=now)
        told = _announcement(request.body)
        host = _ipv4(caller)
    except HookRejected:
        count("HookRejected")
        raise
    node_id = origin.node.rpartition("-")[0]  # what follows is of this run of it
    address = f"{host}:{told.port}"
    fleet = fleets.change(
        lambda before: announce(
            before,
            node_id,
            address=address,
            publishers=told.publishers,
            leaving=told.leaving,
            said_at=origin.occurred_at,
            now=now,
        )
    )
    if fleet.node(node_id) is None:
        logger().warning("a node that nobody asked for", extra={"node": origin.node, "address": address})
        count("UnknownIngestNode")


def _announcement(body: bytes) -> Announcement:
    """Raises HookRejected for what is signed, and is a hook of the media server all the same."""
    try:
        return msgspec.json.decode(body, type=Announcement)
    except msgspec.DecodeError:
        raise HookRejected from None


def _ipv4(caller: str) -> str:
    """Encoders that know no IPv6 have to reach it, so a node calls by IPv4 (rtmp_ingest/announcer.py). Raises HookRejected."""
    try:
        return str(ipaddress.IPv4Address(caller))
    except ValueError:
        logger().error("a node called from an address that is not IPv4", extra={"address": caller})
        raise HookRejected from None

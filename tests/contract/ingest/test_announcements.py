"""A node on demand announces itself: believed when it is signed, led to where it called from, and nobody else's word."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from functions.ingest_hooks.hear_node import hear_node
from functions.ingest_hooks.wire import NODES_ROUTE, caller_of, is_of_a_node, read_request
from headwater.domain.ingest_fleet import FleetNode, IngestFleet
from headwater.errors import HookRejected
from headwater.hook_signature import HookOrigin, sign
from tests.factories import NOW
from tests.hooks_api import http_api_event

SECRET = b"a hook secret for contract tests"
NODE = "01hq0000000000000000aa"
BASE = "http://10.0.3.7:1936/sources"
TOLD = {"port": 1935, "publishers": 2, "leaving": False}


class MemoryFleet:
    def __init__(self) -> None:
        self.fleet = IngestFleet(nodes=(FleetNode(NODE, asked_at=NOW - 30_000, task_id="task"),))

    def load(self) -> IngestFleet:
        return self.fleet

    def change(self, rule: Callable[[IngestFleet], IngestFleet]) -> IngestFleet:
        self.fleet = rule(self.fleet)
        return self.fleet


class Secrets:
    def hook_secrets(self, now: int) -> list[bytes]:
        return [SECRET]


def announced(fleets: MemoryFleet, body: bytes, *, secret: bytes = SECRET, caller: str = "203.0.113.7") -> None:
    headers = sign(secret, HookOrigin(f"{NODE}-0123456789ab", BASE, NOW - 5), body, now=NOW)
    event = http_api_event(headers, body, "/ingest/nodes")
    event["requestContext"]["http"]["sourceIp"] = caller
    assert is_of_a_node(event)
    hear_node(read_request(event), caller_of(event), fleets, Secrets(), lambda: NOW)


def test_the_address_is_where_the_call_came_from_and_the_port_what_the_node_says() -> None:
    fleets = MemoryFleet()
    announced(fleets, json.dumps(TOLD).encode())
    [node] = fleets.fleet.nodes
    assert (node.address, node.publishers, node.heard_at, node.leaving) == ("203.0.113.7:1935", 2, NOW, False)


@pytest.mark.parametrize(
    ("body", "secret", "caller"),
    [
        (json.dumps(TOLD).encode(), b"the secret of somebody else", "203.0.113.7"),
        (
            b"app=live&call=publish&clientid=7&name=key",
            SECRET,
            "203.0.113.7",
        ),  # a hook of nginx, signed as it should be
        (json.dumps({**TOLD, "port": 0}).encode(), SECRET, "203.0.113.7"),
        (json.dumps({**TOLD, "publishers": -1}).encode(), SECRET, "203.0.113.7"),
        (b"[]", SECRET, "203.0.113.7"),
        (b"\xff", SECRET, "203.0.113.7"),
        (json.dumps(TOLD).encode(), SECRET, "2001:db8::7"),  # where many encoders do not come
        (json.dumps(TOLD).encode(), SECRET, "rtmp.example"),
    ],
)
def test_what_is_not_signed_not_an_announcement_or_not_from_an_ipv4_address_changes_nothing(
    body: bytes, secret: bytes, caller: str
) -> None:
    fleets = MemoryFleet()
    before = fleets.fleet
    with pytest.raises(HookRejected):
        announced(fleets, body, secret=secret, caller=caller)
    assert fleets.fleet == before


def test_a_node_that_nobody_asked_for_is_in_nobodys_list() -> None:
    fleets = MemoryFleet()
    fleets.fleet = IngestFleet()
    announced(fleets, json.dumps(TOLD).encode())
    assert fleets.fleet == IngestFleet()


def test_hooks_of_publishers_go_another_way() -> None:
    assert not is_of_a_node(http_api_event({}, b""))
    assert NODES_ROUTE == "POST /ingest/nodes"

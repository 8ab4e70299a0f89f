"""Stage 1 · where workers reach this node: on ECS, the task's own address in the VPC.

Source: Amazon ECS developer guide, "Task metadata endpoint version 4": `${ECS_CONTAINER_METADATA_URI_V4}` answers with
the container's `Networks[].IPv4Addresses[]`.
"""

from __future__ import annotations

import json
import urllib.request

from rtmp_ingest.settings import Settings

METADATA_SECONDS = 5.0


def pull_base(settings: Settings) -> str:
    """PULL_BASE, or `http://<this task's address>:<port of PULL_LISTEN>/sources`. Raises LookupError when neither is known."""
    if settings.pull_base:
        return settings.pull_base.rstrip("/")
    if not settings.ecs_container_metadata_uri_v4:
        raise LookupError("PULL_BASE is not set, and there is no ECS task metadata to find it from")
    return f"http://{_task_address(settings.ecs_container_metadata_uri_v4)}:{_port(settings)}/sources"


def _port(settings: Settings) -> str:
    return settings.pull_listen.rpartition(":")[2]


def _task_address(metadata_uri: str) -> str:
    if not metadata_uri.startswith("http://"):
        raise LookupError("the ECS task metadata endpoint is not an http:// URL")
    # That it is http:// was looked at just now.
    with urllib.request.urlopen(metadata_uri, timeout=METADATA_SECONDS) as answer:  # noqa: S310 # nosec B310
        container = json.load(answer)
    for network in container.get("Networks", []):
        for address in network.get("IPv4Addresses", []):
            return str(address)
    raise LookupError("the ECS task metadata names no IPv4 address")

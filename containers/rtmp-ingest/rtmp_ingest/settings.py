"""Stage 1 · what an ingest node is told: its addresses, where hooks go, who may pull, where it keeps its state."""

from __future__ import annotations

import ipaddress
from typing import Annotated

import msgspec

from headwater.settings import EnvironmentSettings

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]


Address = Annotated[str, msgspec.Meta(pattern=r"^[0-9.]+:[0-9]{1,5}$")]  # IPv4 address:port


class SourceSettings(EnvironmentSettings, frozen=True, kw_only=True):
    """What the source server needs of it."""

    rtmp_listen: Address  # for encoders
    pull_listen: Address  # for workers
    pull_allow: Annotated[str, msgspec.Meta(min_length=1)]  # networks that may pull, comma-separated CIDRs
    source_buffer_seconds: Annotated[float, msgspec.Meta(gt=0, le=600)] = 60.0
    source_buffer_bytes: Annotated[int, msgspec.Meta(ge=1_000_000)] = 64_000_000  # of one source
    source_buffers_bytes: Annotated[int, msgspec.Meta(ge=1_000_000)] = 1_500_000_000  # of all together


class Settings(SourceSettings, frozen=True, kw_only=True):
    """`hook_signing_key` is the secret itself, put into the environment by ECS; it goes no further than this process."""

    loopback_port: Port = 14935  # nginx's http{}: hooks, /stat, /control, /health
    relay_port: Port = 14936
    # The full URL of POST …/ingest/hooks/nginx-rtmp.
    hooks_url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s?#]+$")]
    hook_signing_key: Annotated[str, msgspec.Meta(min_length=16)]
    # The full URL of POST …/ingest/nodes, where nodes run on demand: there is told where this one is, again and again.
    announce_url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s?#]+$")] | None = None
    announce_seconds: Annotated[float, msgspec.Meta(gt=0, le=30)] = 10.0
    # http://host:port/sources as workers reach it; on ECS found from the task's own address.
    pull_base: str | None = None
    # Spool, rendered configuration, temporary files.
    state_dir: Annotated[str, msgspec.Meta(pattern=r"^/[A-Za-z0-9._/+@-]+$")]
    # For dones when stopping; more where the disk goes too.
    flush_seconds: Annotated[float, msgspec.Meta(ge=0, le=100)] = 2.0
    # After SIGTERM: how long publishers may go on that are there already. Nobody new is let in.
    drain_seconds: Annotated[float, msgspec.Meta(ge=0, le=120)] = 0.0
    metrics_namespace: str | None = None  # of CloudWatch; without one, the number of publishers is told to nobody
    node_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "node"
    nginx: str = "/usr/sbin/nginx"
    nginx_rtmp_module: Annotated[str, msgspec.Meta(pattern=r"^/[A-Za-z0-9._/+@-]+$")] = (
        "/usr/lib/nginx/modules/ngx_rtmp_module.so"
    )
    ecs_container_metadata_uri_v4: str | None = None  # set by ECS
    ecs_agent_uri: str | None = None  # set by ECS

    def __repr__(self) -> str:
        return f"Settings(rtmp_listen={self.rtmp_listen!r}, …)"  # never the signing key


def parse_networks(networks: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """PULL_ALLOW. Raises ValueError when it holds something that is not a network."""
    return [ipaddress.ip_network(network.strip()) for network in networks.split(",")]

"""Stage 1 · nginx.conf as this node needs it: the one template with its addresses filled in. Holds no secret."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from rtmp_ingest.settings import Settings

TEMPLATE = Path(__file__).with_name("nginx.conf")

_PLACEHOLDER = re.compile(r"@([A-Z_]+)@")


def render(settings: Settings, template: str) -> str:
    """`template` for this node. Raises ValueError when PULL_ALLOW holds something that is not a network."""
    values = {
        "RTMP_MODULE": settings.nginx_rtmp_module,
        "STATE_DIR": settings.state_dir,
        "RTMP_LISTEN": settings.rtmp_listen,
        "LOOPBACK_PORT": str(settings.loopback_port),
        "RELAY_PORT": str(settings.relay_port),
        "PLAY_RULES": _play_rules(settings.pull_allow),
    }
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


def _play_rules(networks: str) -> str:
    """One `allow play` for each network; parsing them is also what keeps anything else out of the configuration."""
    parsed = [ipaddress.ip_network(network.strip()) for network in networks.split(",")]
    return "\n".join(f"            allow play {network};" for network in parsed)

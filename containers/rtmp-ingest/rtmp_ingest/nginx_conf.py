"""Stage 1 · nginx.conf as this node needs it: the one template with its addresses filled in. Holds no secret."""

from __future__ import annotations

import re
from pathlib import Path

from rtmp_ingest.settings import Settings

TEMPLATE = Path(__file__).with_name("nginx.conf")

_PLACEHOLDER = re.compile(r"@([A-Z_]+)@")


def render(settings: Settings, template: str) -> str:
    """`template` for this node."""
    values = {
        "RTMP_MODULE": settings.nginx_rtmp_module,
        "STATE_DIR": settings.state_dir,
        "RTMP_LISTEN": settings.rtmp_listen,
        "LOOPBACK_PORT": str(settings.loopback_port),
        "RELAY_PORT": str(settings.relay_port),
    }
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)

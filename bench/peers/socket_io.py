"""Peer: a socket.io room with the Redis adapter, on two servers: viewers on one, who speaks on the other."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).parent / "socket-io"


def socket_io_room(redis_url: str, connections: int, rate: int, seconds: float, patience: float) -> list[float | None]:
    """For each message the seconds to the last connection; None when not all had it within `patience` after the last."""
    if not (FOLDER / "node_modules").exists():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=FOLDER, check=True, timeout=300)
    with _server(redis_url) as viewers_port, _server(redis_url) as speaker_port:
        asked = map(str, (viewers_port, speaker_port, connections, rate, seconds, patience))
        limit = seconds + patience + 120
        done = subprocess.run(
            ["node", "room.mjs", *asked], cwd=FOLDER, check=True, capture_output=True, text=True, timeout=limit
        )
    delays: list[float | None] = json.loads(done.stdout)
    return delays


@contextmanager
def _server(redis_url: str) -> Iterator[int]:
    with subprocess.Popen(["node", "server.mjs", redis_url], cwd=FOLDER, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()

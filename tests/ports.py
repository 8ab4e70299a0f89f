"""Ports on loopback for servers that want to be told theirs.

A port that the kernel chose and that we let go of again may be the next one that it gives to somebody else, before our
server has bound it. So these lie outside the range that it chooses from (32768 and up) and above the local stack's, each
process of a test run has its own thousand, and none comes twice in a row.
"""

from __future__ import annotations

import itertools
import os
import random
import socket

FIRST, EACH, LOTS = 22_000, 1_000, 10

_lot = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % LOTS
_offsets = itertools.count(random.randrange(EACH))


def free_port() -> int:
    while True:
        port = FIRST + _lot * EACH + next(_offsets) % EACH
        if _is_free(port):
            return port


def free_port_pair() -> int:
    """A port that is free together with the one above it."""
    while True:
        port = free_port()
        if free_port() == port + 1:
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def listens(port: int) -> bool:
    """Whether somebody does."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

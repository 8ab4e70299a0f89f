"""A real redis-server as a one-node cluster on loopback, the shape in which every test and the local stack meet Redis."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headwater.adapters.cache import CACHE_FAILURES, cache_client
from tests.ports import free_port_pair
from tests.processes import ended_with_us

SLOTS = 16384
START_LIMIT_SECONDS = 60.0


@dataclass
class RedisServer:
    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and return when all slots are served. A second start after `stop` finds the same cluster, empty."""
        command = [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
            "--save", "", "--appendonly", "no", "--cluster-enabled", "yes",
            "--cluster-port", str(self.port + 1), "--cluster-announce-ip", "127.0.0.1",
        ]  # fmt: skip
        self.process = subprocess.Popen(ended_with_us(command), stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while True:
            with contextlib.suppress(OSError):
                if "cluster_slots_assigned:0" in self._ask("CLUSTER INFO"):
                    self._ask(f"CLUSTER ADDSLOTSRANGE 0 {SLOTS - 1}")
                if "cluster_state:ok" in self._ask("CLUSTER INFO"):
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise TimeoutError("redis-server did not serve its slots")
            time.sleep(0.02)

    def _ask(self, command: str) -> str:
        """Redis's inline protocol: a line there, an answer back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as wire:
            wire.sendall(command.encode() + b"\r\n")
            return wire.recv(65536).decode()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """A running server for one test module or one worker; the product's cached client for it is closed at the end."""
    server = RedisServer(free_port_pair(), folder)  # the cluster bus takes the second
    try:
        server.start()
        yield server
    finally:
        with contextlib.suppress(*CACHE_FAILURES):
            cache_client(server.url).close()
        server.stop()

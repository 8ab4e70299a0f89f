"""Stage 1 · the relay's HTTP front on loopback: nginx's hooks come in here, and the node's health is asked here."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rtmp_ingest.done_sender import DoneSender
from rtmp_ingest.hook import MAX_BODY_BYTES, Hook
from rtmp_ingest.relay import HookRelay, Reply

log = logging.getLogger(__name__)


class RelayServer(ThreadingHTTPServer):
    """One thread for each hook under way; nginx opens a connection for each."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024  # all encoders may come back in the same second

    def __init__(self, port: int, relay: HookRelay, dones: DoneSender) -> None:
        self.routes: dict[str, Callable[[Hook], Reply]] = {
            "/hooks/publish": relay.on_publish,
            "/hooks/update": relay.on_update,
            "/hooks/done": relay.on_done,
        }
        self.relay = relay
        self.dones = dones
        self._last_arrival = 0
        super().__init__(("127.0.0.1", port), _RequestHandler)

    def serve_in_background(self) -> None:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def get_request(self) -> tuple[Any, tuple[Any, int]]:
        """Note the time here, where connections come in one by one: a connection's done and its next publish can be
        microseconds apart, and their threads may overtake each other. No two hooks share a millisecond."""
        request, address = super().get_request()
        self._last_arrival = max(time.time_ns() // 1_000_000, self._last_arrival + 1)
        return request, (address, self._last_arrival)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 the base class says so
        """Without a traceback, which could quote the hook. A peer that went away is no news."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("a hook failed: %s", type(error).__name__)


class _RequestHandler(BaseHTTPRequestHandler):
    server: RelayServer
    timeout = 5.0  # of reading a request
    wbufsize = -1  # one packet for the whole answer
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        _, occurred_at = self.client_address
        route = self.server.routes.get(self.path)
        if route is None:
            return self._reply(Reply(404))
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            return self._reply(Reply(411))
        if int(length) > MAX_BODY_BYTES:
            return self._reply(Reply(413))
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            return self._reply(Reply(400))
        return self._reply(route(Hook(body, occurred_at)))

    def do_GET(self) -> None:
        if self.path != "/health":
            return self._reply(Reply(404))
        relay = self.server.relay
        health = {
            "status": "draining" if relay.draining else "ok",
            "publishers": relay.publishers,
            "dones_waiting": self.server.dones.waiting,
        }
        return self._reply(Reply(503 if relay.draining else 200), json.dumps(health).encode())

    def _reply(self, reply: Reply, body: bytes = b"") -> None:
        self.send_response(reply.status)
        if reply.location is not None:
            self.send_header("Location", reply.location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the relay logs what it decided."""

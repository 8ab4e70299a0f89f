"""A stand-in for API Gateway's `@connections`: real HTTP with keep-alive, whose connections can misbehave."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import msgspec

from tests.chat_protocol import NotInProtocol, check_server_frame
from tests.http_servers import serving

STAGE = "chat"


class ConnectionsEndpoint:
    """What each connection was sent, in order; and how each is to behave."""

    def __init__(self) -> None:
        self.frames: defaultdict[str, list[str]] = defaultdict(list)
        self.closed: list[str] = []
        self.gone: set[str] = set()
        self.hanging: set[str] = set()
        self.hanging_on_close: set[str] = set()
        self.failing: dict[str, list[int]] = {}  # statuses to answer with before it goes well
        self.refusing: int | None = None  # a status for everyone
        self.attempts: defaultdict[str, int] = defaultdict(int)
        self.wires = 0
        self.requests: list[dict[str, str]] = []
        self.violations: list[NotInProtocol] = []  # frames that are not of the protocol: it ends with the first
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self._server.block_on_close = True
        self._running = contextlib.ExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{STAGE}"

    def events(self, connection_id: str) -> list[dict[str, Any]]:
        """Every event in every frame that the connection was sent."""
        return [
            event for frame in map(msgspec.json.decode, self.frames[connection_id]) for event in frame.get("events", [])
        ]

    def applied_events(self, connection_id: str) -> list[dict[str, Any]]:
        """What its client shows: delivery is at least once, and a client passes over a `seq` that it has."""
        applied: list[dict[str, Any]] = []
        for event in self.events(connection_id):
            if not applied or event["seq"] > applied[-1]["seq"]:
                applied.append(event)
        return applied

    def start(self) -> None:
        self._running.enter_context(serving(self._server))

    def stop(self) -> None:
        """Raises NotInProtocol if anything was sent that is not described."""
        self._released.set()
        self._running.close()
        if self.violations:
            raise self.violations[0]

    def answer(self, method: str, connection_id: str, body: str) -> int:
        with self._lock:
            self.attempts[connection_id] += 1
            if self.refusing is not None:
                return self.refusing
        if connection_id in (self.hanging if method == "POST" else self.hanging_on_close):
            self._released.wait()
            return 504
        with self._lock:
            if self.failing.get(connection_id):
                return self.failing[connection_id].pop(0)
            if connection_id in self.gone:
                return 410
            if method == "DELETE":
                self.closed.append(connection_id)
                self.gone.add(connection_id)
                return 204
            try:
                check_server_frame(body)
            except NotInProtocol as violation:
                self.violations.append(violation)
            self.frames[connection_id].append(body)
            return 200

    def _handler(endpoint) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the request's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def setup(self) -> None:
                super().setup()
                with endpoint._lock:
                    endpoint.wires += 1

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                stage, connections, connection_id = self.path.strip("/").split("/")
                assert (stage, unquote(connections)) == (STAGE, "@connections")
                endpoint.requests.append({"path": self.path, **{n.lower(): v for n, v in self.headers.items()}})
                status = endpoint.answer(self.command, unquote(connection_id), body)
                with contextlib.suppress(OSError):  # who hung has given up on us
                    self.send_response(status)
                    if status != 204:
                        self.send_header("content-length", "0")
                    self.end_headers()

            do_POST = _serve  # noqa: N815 - BaseHTTPRequestHandler's names
            do_DELETE = _serve  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                return

        return Handler


@contextlib.contextmanager
def connections_endpoint() -> Iterator[ConnectionsEndpoint]:
    endpoint = ConnectionsEndpoint()
    endpoint.start()
    try:
        yield endpoint
    finally:
        endpoint.stop()

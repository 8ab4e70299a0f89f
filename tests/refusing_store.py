"""A store that can be made to refuse: forwards every request to a real S3 endpoint, or answers 503 SlowDown as S3 does."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.http_servers import serving

_SLOW_DOWN = (
    b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'
)
_OF_ONE_CONNECTION = {"connection", "transfer-encoding", "keep-alive"}


class RefusingStore:
    def __init__(self, endpoint: str, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.endpoint = urlsplit(endpoint)
        self.refusing = threading.Event()
        self.refused = 0


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was stopped leaves its connections behind; what fails here, the others miss an answer of."""


@contextmanager
def refusing_store(endpoint: str) -> Iterator[RefusingStore]:
    """In front of `endpoint`; refuses while `.refusing` is set, and counts in `.refused`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if store.refusing.is_set():
                store.refused += 1
                self._answer(503, {"Content-Type": "application/xml"}, _SLOW_DOWN)
                return
            upstream = http.client.HTTPConnection(store.endpoint.hostname or "", store.endpoint.port, timeout=20)
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            content = answer.read()
            self._answer(answer.status, dict(answer.getheaders()), content)
            upstream.close()

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward  # noqa: N815 - names that the base class looks for

        def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in _OF_ONE_CONNECTION | {"content-length"}:
                    self.send_header(name, value)
            length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    store = RefusingStore(endpoint, server.server_address[1])
    with serving(server):
        yield store

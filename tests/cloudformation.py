"""CloudFormation as a function meets it that stands for a resource: an address to answer to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.http_servers import serving


@contextmanager
def cloudformation(*, failures: int = 0) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address to answer to, and what was answered; the first `failures` answers meet an error."""
    heard: list[dict[str, Any]] = []
    left = [failures]

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert not self.headers["Content-Type"], "the address was signed without one"
            left[0] -= 1
            if left[0] >= 0:
                self.send_error(503)
                return
            heard.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}/answer", heard

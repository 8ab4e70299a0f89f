"""The HTTP API as an ingest node meets it: a real socket in front of the real hook function, with events as API Gateway's."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.http_servers import serving

PATH = "/ingest/hooks/nginx-rtmp"
LambdaHandler = Callable[[dict[str, Any], object], dict[str, Any]]


def http_api_event(headers: dict[str, str], body: bytes, path: str = PATH) -> dict[str, Any]:
    """An HTTP API event, payload format 2.0. Form bodies arrive in base 64 there, and header names in lower case."""
    return {
        "version": "2.0",
        "routeKey": f"POST {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {"http": {"method": "POST", "path": path, "sourceIp": "127.0.0.1"}, "stage": "$default"},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


@dataclass(frozen=True)
class ReceivedHook:
    headers: dict[str, str]
    body: str
    status: int

    def field(self, name: str) -> str:
        """The first value of a field, undecoded."""
        return next((value for key, _, value in (p.partition("=") for p in self.body.split("&")) if key == name), "")


class HooksApi(ThreadingHTTPServer):
    """`down`: connections are cut without an answer. `forced_status`: answered by something in front of the function."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: LambdaHandler) -> None:
        super().__init__(("127.0.0.1", 0), _Front)
        self.answer = answer
        self.down = False
        self.forced_status: int | None = None
        self.received: list[ReceivedHook] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{PATH}"

    def calls(self, call: str) -> list[ReceivedHook]:
        return [hook for hook in list(self.received) if hook.field("call") == call]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A relay that was killed leaves its connections behind; a failing function is seen by its missing answer."""


class _Front(BaseHTTPRequestHandler):
    server: HooksApi
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.down:
            self.close_connection = True
            return
        headers = dict(self.headers.items())
        if self.server.forced_status is not None:
            answer: dict[str, Any] = {"statusCode": self.server.forced_status}
        else:
            answer = self.server.answer(http_api_event(headers, body, self.path), None)
        self.server.received.append(ReceivedHook(headers, body.decode(), answer["statusCode"]))
        self.send_response(answer["statusCode"])
        for name, value in answer.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def hooks_api(answer: LambdaHandler) -> Iterator[HooksApi]:
    api = HooksApi(answer)
    with serving(api):
        yield api


def rename_everything(event: dict[str, Any], context: object) -> dict[str, Any]:
    """In place of the function, for tests of the media path alone: any key may publish, as the stream `everyone-1-00…`."""
    body = base64.b64decode(event["body"])
    if b"&call=publish&" in body:
        return {"statusCode": 302, "headers": {"Location": "everyone-1-" + "0" * 32}}
    return {"statusCode": 204}

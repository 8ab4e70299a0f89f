"""A client that speaks to a Lambda handler as API Gateway's HTTP API does: payload 2.0 there, its answer back."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str
    cookies: tuple[str, ...] = ()  # each a whole `Set-Cookie`

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str | None:
        """The problem's code; None when this is no problem."""
        if self.headers.get("content-type") != "application/problem+json":
            return None
        return str(self.json["code"])


@dataclass(frozen=True)
class ApiClient:
    handler: Handler
    token: str | None = None
    address: str = "203.0.113.7"

    def signed_in(self, token: str | None) -> ApiClient:
        return ApiClient(self.handler, token, self.address)

    def get(self, path: str, **parameters: Any) -> Answer:
        return self.call("GET", path, parameters=parameters)

    def post(self, path: str, body: Any = None) -> Answer:
        return self.call("POST", path, body)

    def patch(self, path: str, body: Any) -> Answer:
        return self.call("PATCH", path, body)

    def put(self, path: str, body: Any = None) -> Answer:
        return self.call("PUT", path, body)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """`body` is sent as JSON; `raw` goes out as it is, with whatever content type `headers` name."""
        sent = {"host": "api.example.org", **{name.lower(): value for name, value in (headers or {}).items()}}
        if self.token is not None:
            sent.setdefault("authorization", f"Bearer {self.token}")
        payload = raw
        if body is not None:
            payload = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        event = http_event(method, path, urlencode(parameters or {}), sent, payload, self.address)
        return decoded(self.handler(event, None))


def http_event(
    method: str, path: str, query: str, headers: Mapping[str, str], body: bytes | None, address: str
) -> dict[str, Any]:
    # The gateway takes cookies out of the headers.
    sent = {name: value for name, value in headers.items() if name != "cookie"}
    cookies = {"cookies": headers["cookie"].split("; ")} if "cookie" in headers else {}
    event: dict[str, Any] = {
        **cookies,
        "version": "2.0",
        "routeKey": "ANY /v1/{proxy+}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": sent,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "api.example.org",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": address,
                "userAgent": "tests",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "ANY /v1/{proxy+}",
            "stage": "$default",
            "timeEpoch": 1583348638390,
        },
        "isBase64Encoded": body is not None,
    }
    if body is not None:
        event["body"] = base64.b64encode(body).decode()
        event["headers"].setdefault("content-length", str(len(body)))
    return event


def decoded(answer: Mapping[str, Any]) -> Answer:
    body = answer.get("body") or ""
    if answer.get("isBase64Encoded"):
        body = base64.b64decode(body).decode()
    headers = {name.lower(): value for name, value in answer.get("headers", {}).items()}
    return Answer(answer["statusCode"], headers, body, tuple(answer.get("cookies", ())))

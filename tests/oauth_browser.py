"""A browser between a page of ours, the API and a provider, without the browser: cookies, redirects, and what a page keeps."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.api_gateway import Answer, ApiClient

NAVIGATION = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


@dataclass
class Page:
    """What `web/` keeps in sessionStorage while somebody is at the provider's."""

    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass
class Browser:
    api: ApiClient
    cookies: dict[str, str] = field(default_factory=dict)
    page: Page = field(default_factory=Page)

    def visit(self, url: str, *, headers: dict[str, str] | None = None) -> Answer:
        """Follow a link to the API, as a browser does when somebody clicks it."""
        parts = urlsplit(url)
        sent = dict(NAVIGATION if headers is None else headers)
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        parameters = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        answer = self.api.call("GET", parts.path, parameters=parameters, headers=sent)
        for line in answer.cookies:
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer

    def start(self, provider: str) -> str:
        """Where the provider's button leads, with this browser's page waiting for the outcome."""
        return location(self.visit(f"/v1/auth/oauth/{provider}/start?challenge={self.page.challenge}"))

    def exchange(self, code: str, verifier: str | None = None) -> Answer:
        return self.api.post("/v1/auth/oauth/exchange", {"code": code, "verifier": verifier or self.page.verifier})


def location(answer: Answer) -> str:
    assert answer.status == 303, (answer.status, answer.text)
    return answer.headers["location"]


def query_of(url: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}


def told_page(answer: Answer) -> dict[str, Any]:
    """What the page `/signed-in` is called with."""
    target = location(answer)
    assert target.startswith("https://www.example.org/signed-in#"), target
    return {name: values[-1] for name, values in parse_qs(urlsplit(target).fragment).items()}

"""A real OpenID provider (npm `oidc-provider`) on loopback, and somebody at it who signs in and consents."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.ports import free_port
from tests.processes import end, ended_with_us

SCRIPT = Path(__file__).with_name("openid_provider.mjs")


@dataclass(frozen=True)
class Client:
    client_id: str
    redirect_uri: str
    client_secret: str | None = None

    def registration(self) -> dict[str, Any]:
        registered: dict[str, Any] = {"client_id": self.client_id, "redirect_uris": [self.redirect_uri]}
        if self.client_secret is None:
            return {**registered, "token_endpoint_auth_method": "none"}
        return {
            **registered,
            "client_secret": self.client_secret,
            "token_endpoint_auth_method": "client_secret_post",
        }


@contextmanager
def openid_provider(clients: Sequence[Client], port: int | None = None, host: str = "127.0.0.1") -> Iterator[str]:
    """Runs one for these clients, on loopback under the name `host`; yields its issuer."""
    port = port or free_port()
    issuer = f"http://{host}:{port}"
    configuration = {"issuer": issuer, "port": port, "clients": [each.registration() for each in clients]}
    process = subprocess.Popen(
        ended_with_us(["node", str(SCRIPT)]),
        env={**os.environ, "OPENID_PROVIDER": json.dumps(configuration), "NODE_NO_WARNINGS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            said: list[str] = []
            while "ready\n" not in said:
                said.append(process.stdout.readline())
                assert said[-1], f"it did not start: {''.join(said)}"
            yield issuer
        finally:
            end(process, within_seconds=10)


def approve(url: str, login: str, *, deny: bool = False) -> str:
    """Follow `url` as somebody at their browser would: sign in as `login`, consent (or not). Answers with the address
    that the provider sends the browser back to."""
    origin = httpx.URL(url).copy_with(path="/", query=None)
    with httpx.Client(base_url=origin, timeout=20) as browser:
        answer = browser.get(url)
        for _ in range(10):
            if answer.is_redirect:
                location = httpx.URL(answer.url).join(answer.headers["location"])
                if location.copy_with(path="/", query=None, fragment=None) != origin:
                    return str(location)
                answer = browser.get(location)
                continue
            assert answer.status_code == 200, answer.text
            submit = re.search(r'<form[^>]* action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert submit, answer.text
            assert prompt, answer.text
            if deny:
                answer = browser.get(f"{submit[1]}/abort")
            else:
                answer = browser.post(submit[1], data={"prompt": prompt[1], "login": login, "password": "any"})
    raise AssertionError("the provider's pages do not end")

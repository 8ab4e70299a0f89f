"""Canary secrets: whatever the API is asked and answers, and all that it logs, is searched for what belongs elsewhere.

Tokens and stream keys are known by their form, passwords and e-mail addresses from the requests that brought them.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from headwater.observability import logger
from tests.api_gateway import Handler, decoded

# The one place for each: what else looks like it, anywhere, is a leak.
SIGNING_IN = r"POST /v1/auth/(register|login|refresh|oauth/exchange)|GET /v1/auth/oauth/\w+/callback"
BELONGS = {
    "a refresh token": (re.compile(r"hwr_[\w-]{16,}"), re.compile(SIGNING_IN)),
    "an access token": (re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]+\.[\w-]+"), re.compile(SIGNING_IN)),
    "a personal token": (re.compile(r"hwp_[\w-]{16,}"), re.compile(r"POST /v1/me/tokens")),
    "the secret of a link": (re.compile(r"hwm_[\w-]{16,}"), re.compile(r"(?!)")),
    "a stream key": (
        re.compile(r"live_[0-9a-z]{22}_[0-9a-z]{16,}"),
        re.compile(r"(GET|POST) /v1/streams/[0-9a-z]{22}/ingest(/rotate|/open)?"),
    ),
}
PASSWORD_FIELDS = ("password", "current_password", "new_password")
LEAST_PASSWORD = 12  # what is shorter may be part of anything
# Addresses are for their owners, and for administrators.
MAY_SHOW_OWN = re.compile(rf"{SIGNING_IN}|(GET|PATCH) /v1/me|PUT /v1/me/username")
MAY_SHOW_ANY = re.compile(r"\w+ /v1/admin/.*|(GET|POST) /v1/me/identities")  # one's identities bear their addresses
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


class Leaked(AssertionError):
    """Says what, and where, but not in which words: a report of a test run is a log, too."""


@dataclass
class Canaries:
    passwords: set[str] = field(default_factory=set)
    address_of: dict[str, str] = field(default_factory=dict)  # by username

    def watch_request(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object of the request, if it is one."""
        try:
            body = json.loads(base64.b64decode(event.get("body") or ""))
        except (ValueError, RecursionError):
            return {}
        if not isinstance(body, dict):
            return {}
        sent = (body.get(name) for name in PASSWORD_FIELDS)
        self.passwords.update(
            each
            for each in sent
            if isinstance(each, str) and len(each) >= LEAST_PASSWORD and not _ADDRESS.fullmatch(each)  # a weak one
        )
        return body

    def look_at_answer(self, call: str, answer: Mapping[str, Any], request: Mapping[str, Any]) -> None:
        given = decoded(answer)
        text = "\n".join((given.text, *given.headers.values(), *given.cookies))
        for what, (form, place) in BELONGS.items():
            if form.search(text) and (given.status >= 400 or not place.fullmatch(call)):
                raise Leaked(f"{what} in the answer ({given.status}) to {call}")
        if any(password in text for password in self.passwords):
            raise Leaked(f"a password in the answer ({given.status}) to {call}")
        own = (
            self._own_address(call, given.json, request)
            if given.status < 300 and MAY_SHOW_OWN.fullmatch(call)
            else None
        )
        if not MAY_SHOW_ANY.fullmatch(call) and self._addresses(text) - {own}:
            raise Leaked(f"somebody else's e-mail address in the answer ({given.status}) to {call}")

    def _own_address(self, call: str, answer: dict[str, Any], request: Mapping[str, Any]) -> str | None:
        user = answer.get("user", answer)
        name, shown = user["username"], user["email"]
        if call == "POST /v1/auth/register":
            shown = str(request["email"]).strip()
        elif call == "GET /v1/me":
            shown = self.address_of.get(name, shown)
        if shown is not None:
            self.address_of[name] = shown
        return shown if shown is None else str(shown)

    def look_at_log(self, text: str) -> None:
        for what, (form, _) in BELONGS.items():
            if form.search(text):
                raise Leaked(f"{what} in the log")
        if any(password in text for password in self.passwords):
            raise Leaked("a password in the log")
        if self._addresses(text):
            raise Leaked("an e-mail address in the log")

    def _addresses(self, text: str) -> set[str]:
        return set(_ADDRESS.findall(text)) & set(self.address_of.values()) if "@" in text else set()


@contextmanager
def watched(handler: Handler) -> Iterator[Handler]:
    """`handler`, which raises Leaked as soon as something appears where it does not belong; in logs also at the end."""
    canaries = Canaries()
    log = io.StringIO()
    listener = logging.StreamHandler(log)
    listener.setFormatter(logger().registered_formatter)  # as it is written, not as it was handed in

    def look_at_log() -> None:
        canaries.look_at_log(log.getvalue())
        log.seek(0)
        log.truncate()

    def watching(event: dict[str, Any], context: Any) -> dict[str, Any]:
        request = canaries.watch_request(event)
        asked = event["requestContext"]["http"]
        printed = io.StringIO()  # metrics are lines of the log, too
        try:
            with redirect_stdout(printed):
                answer = handler(event, context)
        finally:
            sys.stdout.write(printed.getvalue())
        canaries.look_at_answer(f"{asked['method']} {asked['path']}", answer, request)
        log.write(printed.getvalue())
        look_at_log()
        return answer

    told = logging.getLogger(logger().name)
    told.addHandler(listener)
    try:
        yield watching
        look_at_log()
    finally:
        told.removeHandler(listener)

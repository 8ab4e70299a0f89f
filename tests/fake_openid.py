"""An OpenID provider that does as it is told: like Twitch, with all its ways of its own, or as no provider should.

Twitch as its documentation and those who use it describe it (dev.twitch.tv/docs/authentication/getting-tokens-oidc):
it knows nothing of PKCE; claims other than the standard ones come only when `claims` names them, `email` only with the scope
`user:read:email` and when verified; client secrets are taken in the body alone; `scope` is answered as a list; a refusal
is `{"status", "message"}`; an authorization response names no issuer.
"""

from __future__ import annotations

import contextlib
import functools
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.http_servers import serving

Reply = tuple[int, dict[str, str], bytes]


@functools.cache
def signing_key(kid: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def as_json(body: object, status: int = 200, media_type: str = "application/json") -> Reply:
    return status, {"Content-Type": media_type}, json.dumps(body).encode()


@dataclass
class FakeOpenId:
    """One provider with one user. `replies` take the place of what it would answer; `received` is every request."""

    issuer: str
    client_id: str = "headwater"
    client_secret: str = "a secret of the client's"
    user: dict[str, Any] = field(default_factory=dict)
    kid: str = "1"
    replies: dict[str, Callable[[], Reply]] = field(default_factory=dict)
    received: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    pass_on: Callable[[dict[str, str]], str] | None = None  # where /authorize sends a browser, instead of a page
    alter_claims: Callable[[dict[str, Any]], dict[str, Any]] = dict

    @property
    def discovery(self) -> dict[str, Any]:
        return {
            "authorization_endpoint": f"{self.issuer}/authorize",
            "claims_parameter_supported": True,
            "claims_supported": [
                "email",
                "email_verified",
                "picture",
                "preferred_username",
                "exp",
                "iss",
                "sub",
                "azp",
            ],
            "id_token_signing_alg_values_supported": ["RS256"],
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["id_token", "code", "token", "code id_token", "token id_token"],
            "scopes_supported": ["openid"],
            "subject_types_supported": ["public"],
            "token_endpoint": f"{self.issuer}/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "userinfo_endpoint": f"{self.issuer}/userinfo",
        }

    def authorize(self, url: str) -> str:
        """What its page does once somebody has agreed: the address that it sends the browser back to."""
        asked = _fields(urlsplit(url).query)
        assert asked["client_id"] == self.client_id
        assert asked["response_type"] == "code"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'scope': asked['scope'], 'state': asked['state']})}"

    def count(self, path: str) -> int:
        return sum(1 for seen, _ in self.received if seen == path)

    def reply(self, path: str, form: dict[str, str]) -> Reply:
        self.received.append((path, form))
        if path in self.replies:
            return self.replies[path]()
        if path == "/.well-known/openid-configuration":
            return as_json(self.discovery)
        if path == "/keys":
            key = RSAAlgorithm.to_jwk(signing_key(self.kid).public_key(), as_dict=True)
            return as_json({"keys": [{**key, "alg": "RS256", "e": "AQAB", "kid": self.kid, "use": "sig"}]})
        if path == "/token":
            return self._token(form)
        if path == "/authorize" and self.pass_on is not None:
            return 302, {"Location": self.pass_on(form)}, b""
        return as_json({"status": 404, "message": "Not Found"}, 404)

    def _token(self, form: dict[str, str]) -> Reply:
        asked = self.codes.pop(form.get("code", ""), None)
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            return as_json({"status": 403, "message": "invalid client secret"}, 403)
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"]:
            return as_json({"status": 400, "message": "Invalid authorization code"}, 400)
        now = int(time.time())
        claims = {"aud": self.client_id, "azp": self.client_id, "exp": now + 900, "iat": now, "iss": self.issuer}
        claims |= {"sub": self.user["sub"], "nonce": asked["nonce"]}
        wanted = json.loads(asked.get("claims", "{}")).get("id_token", {})
        granted = set(asked["scope"].split())
        for name in wanted:
            if name in self.user and (not name.startswith("email") or "user:read:email" in granted):
                claims[name] = self.user[name]
        headers = {"kid": self.kid}
        return as_json(
            {
                "access_token": secrets.token_urlsafe(20),
                "expires_in": 14124,
                "id_token": jwt.encode(
                    self.alter_claims(claims), signing_key(self.kid), algorithm="RS256", headers=headers
                ),
                "refresh_token": secrets.token_urlsafe(30),
                "scope": sorted(granted),
                "token_type": "bearer",
                "nonce": asked["nonce"],
            }
        )


def _fields(form: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(form).items()}


@contextmanager
def fake_openid(path: str = "", port: int = 0, **settings: Any) -> Iterator[FakeOpenId]:
    """Runs one on loopback; its issuer has the path `path`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(_fields(urlsplit(self.path).query))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self._answer(_fields(body))

        def _answer(self, form: dict[str, str]) -> None:
            asked = urlsplit(self.path).path
            status, headers, body = fake.reply(asked.removeprefix(path), form)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):  # the client may have heard enough
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    fake = FakeOpenId(f"http://127.0.0.1:{server.server_port}{path}", **settings)
    with serving(server):
        yield fake

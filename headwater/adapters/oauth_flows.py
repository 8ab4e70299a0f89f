"""Stage 7 · sign-ins elsewhere that are under way, in Redis: each entry works once, and not for long.

Entries are found by the hash of a secret that somebody holds, so what rests here opens nothing. Losing them all costs those
who are signing in at that moment another try.
"""

from __future__ import annotations

import hashlib
from typing import TypeVar

import msgspec

from headwater.adapters.cache import CACHE_FAILURES, cache_client
from headwater.domain.ids import UserId
from headwater.errors import DependencyUnavailable

FLOW_SECONDS = 600  # from the start to the provider's answer: time enough to find a password and a second factor
PROOF_SECONDS = 60  # from the provider's answer to the page that asks for the tokens
LINK_SECONDS = 60  # from the button to the start

S = TypeVar("S", bound=msgspec.Struct)


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One sign-in between start and callback. `browser` is the hash of its cookie; `link_to` the account that is to be
    given the identity, None when it is to be signed in with. Without a `challenge`, the callback answers with the tokens."""

    provider: str
    browser: str
    code_verifier: str
    challenge: str | None
    link_to: UserId | None = None


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What a callback has proven, until the page that began comes for it: whoever can answer `challenge`."""

    provider: str
    issuer: str
    subject: str
    email: str | None
    preferred_username: str | None
    challenge: str
    link_to: UserId | None


class LinkTicket(msgspec.Struct, frozen=True, kw_only=True):
    """Leave to begin one sign-in whose identity goes to `user_id`."""

    user_id: UserId
    provider: str
    challenge: str


class OauthFlows:
    """All methods raise DependencyUnavailable when the cache does not answer."""

    def __init__(self, cache_url: str) -> None:
        self._cache_url = cache_url

    def begin(self, state: str, flow: Flow) -> None:
        self._keep("flow", state, flow, FLOW_SECONDS)

    def take_flow(self, state: str) -> Flow | None:
        return self._take("flow", state, Flow)

    def keep_proof(self, code: str, proof: Proof) -> None:
        self._keep("proof", code, proof, PROOF_SECONDS)

    def take_proof(self, code: str) -> Proof | None:
        return self._take("proof", code, Proof)

    def keep_ticket(self, ticket: str, held: LinkTicket) -> None:
        self._keep("link", ticket, held, LINK_SECONDS)

    def take_ticket(self, ticket: str) -> LinkTicket | None:
        return self._take("link", ticket, LinkTicket)

    def _keep(self, kind: str, secret: str, held: msgspec.Struct, seconds: int) -> None:
        try:
            cache_client(self._cache_url).set(_key(kind, secret), msgspec.json.encode(held), ex=seconds)
        except CACHE_FAILURES as error:
            raise DependencyUnavailable from error

    def _take(self, kind: str, secret: str, shape: type[S]) -> S | None:
        try:
            found = cache_client(self._cache_url).getdel(_key(kind, secret))
        except CACHE_FAILURES as error:
            raise DependencyUnavailable from error
        return None if found is None else msgspec.json.decode(found, type=shape)


def _key(kind: str, secret: str) -> str:
    return f"oauth:{kind}:{hashlib.sha256(secret.encode()).hexdigest()}"

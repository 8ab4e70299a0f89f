"""Stage 7 · what requests and answers about signing in elsewhere carry."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from functions.api.accounts import TokensOut, own_user_out
from functions.api.request_bodies import Body, Username
from functions.api.use_cases.oauth import Arrival
from headwater.adapters.identities import LinkedIdentity
from headwater.domain.refresh_tokens import ACCESS_TOKEN_SECONDS

# RFC 7636 §4.1 and §4.2, for the page that begins: 256 bits either way.
CHALLENGE_PATTERN = r"^[A-Za-z0-9_-]{43}$"
_VERIFIER_PATTERN = r"^[A-Za-z0-9._~-]{43,128}$"


class LinkStart(Body):
    challenge: Annotated[str, Field(pattern=CHALLENGE_PATTERN)]


class CodeAndVerifier(Body):
    code: Annotated[str, Field(max_length=128)]
    verifier: Annotated[str, Field(pattern=_VERIFIER_PATTERN)]


class ChosenUsername(Body):
    username: Username


class SignInProviderOut(BaseModel):
    provider: str
    label: str


class LinkStartOut(BaseModel):
    url: str


class IdentityOut(BaseModel):
    id: str
    provider: str
    label: str | None
    linked_at: datetime
    last_used_at: datetime | None


class ArrivalOut(TokensOut):
    """As after signing in with a password. `email_in_use`: the address that the provider vouched for belongs to another
    account here, so this new one has none."""

    is_new: bool
    email_in_use: bool


def identity_out(identity: LinkedIdentity) -> IdentityOut:
    return IdentityOut(
        id=identity.identity_id,
        provider=identity.provider,
        label=identity.label,
        linked_at=identity.linked_at,
        last_used_at=identity.last_used_at,
    )


def arrival_out(arrival: Arrival) -> ArrivalOut:
    signed_in = arrival.signed_in
    return ArrivalOut(
        user=own_user_out(signed_in.user),
        access_token=signed_in.access_token,
        refresh_token=signed_in.refresh_token,
        expires_in=ACCESS_TOKEN_SECONDS,
        is_new=arrival.is_new,
        email_in_use=arrival.email_in_use,
    )

"""Stage 7 · routes of signing up, in and out, and of the places where one is signed in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header

from functions.api.accounts import SessionOut, TokensOut, own_user_out, session_out
from functions.api.dependencies import (
    PAGE_LIMIT,
    ClientAddress,
    ClientDevice,
    CurrentUser,
    Cursor,
    Limit,
    ServicesDep,
    SessionIdParam,
    Unit,
)
from functions.api.inline_routes import InlineRoute
from functions.api.pages import id_before, page_of
from functions.api.representations import Page
from functions.api.request_bodies import Login, Refresh, Registration
from functions.api.use_cases.accounts import log_in, register_account
from functions.api.use_cases.passwords import tell_owner
from functions.api.use_cases.sessions import (
    SignedIn,
    log_out,
    refresh_session,
    revoke_other_sessions,
    revoke_session,
    running_sessions,
)
from headwater.contracts import AccountMailKind
from headwater.domain.accounts import login_form
from headwater.domain.refresh_tokens import ACCESS_TOKEN_SECONDS

router = APIRouter(route_class=InlineRoute, prefix="/auth", tags=["accounts"])

RetryKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=255,
        description="Random, at least 16 characters, new for each refresh: with it, a refresh whose answer was lost may be "
        "repeated within a minute. Without it, a repetition is taken for a thief's.",
    ),
]


def tokens_out(signed_in: SignedIn) -> TokensOut:
    return TokensOut(
        user=own_user_out(signed_in.user),
        access_token=signed_in.access_token,
        refresh_token=signed_in.refresh_token,
        expires_in=ACCESS_TOKEN_SECONDS,
    )


@router.post("/register", status_code=201)
def register(
    body: Registration, address: ClientAddress, device: ClientDevice, services: ServicesDep, unit: Unit
) -> TokensOut:
    """Make an account and sign in with it. A link to confirm the address is on its way."""
    services.limits.spend("register", address, services.settings.registrations_per_minute)
    signed_in = register_account(
        unit, services.passwords, services.tokens, device, body.username, body.email, body.password
    )
    unit.commit()  # the letter is written to an account that is there
    tell_owner(services.account_mail, AccountMailKind.VERIFY_EMAIL, signed_in.user.user_id)
    return tokens_out(signed_in)


@router.post("/login")
def login(body: Login, address: ClientAddress, device: ClientDevice, services: ServicesDep, unit: Unit) -> TokensOut:
    """Sign in with a username or an e-mail address."""
    allowed = services.settings.logins_per_minute
    services.limits.spend("login", address, allowed)
    services.limits.spend("login-to", login_form(body.login), allowed)
    return tokens_out(
        log_in(unit, lambda: services.sockets, services.passwords, services.tokens, device, body.login, body.password)
    )


@router.post("/refresh")
def refresh(
    body: Refresh, device: ClientDevice, services: ServicesDep, unit: Unit, idempotency_key: RetryKey = None
) -> TokensOut:
    """Trade a refresh token for the next pair. Each works once; a second use ends the session."""
    return tokens_out(
        refresh_session(unit, services.sockets, services.tokens, body.refresh_token, idempotency_key, device)
    )


@router.post("/logout", status_code=204)
def logout(user: CurrentUser, services: ServicesDep, unit: Unit) -> None:
    """End the session that this access token belongs to. Its chat sockets close."""
    log_out(unit, services.sockets, user)


@router.get("/sessions")
def sessions(user: CurrentUser, unit: Unit, limit: Limit = PAGE_LIMIT, cursor: Cursor = None) -> Page[SessionOut]:
    """Where one is signed in, newest sign-in first."""
    found = running_sessions(unit.sessions, user.user_id, id_before(cursor), limit + 1)
    return page_of(found, limit, lambda each: session_out(each, user.session_id), lambda each: each.session_id)


@router.delete("/sessions", status_code=204)
def end_other_sessions(user: CurrentUser, services: ServicesDep, unit: Unit) -> None:
    """Sign out everywhere but here."""
    revoke_other_sessions(unit, services.sockets, user)


@router.delete("/sessions/{session_id}", status_code=204)
def end_session(session_id: SessionIdParam, user: CurrentUser, services: ServicesDep, unit: Unit) -> None:
    """Sign out there. Its tokens are worthless from now on, and its chat sockets close."""
    revoke_session(unit, services.sockets, user.user_id, session_id)

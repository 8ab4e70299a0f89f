"""Stage 7 · routes of signing up, in and out."""

from __future__ import annotations

from fastapi import APIRouter

from functions.api.dependencies import ClientAddress, CurrentUser, ServicesDep, Unit
from functions.api.representations import TokensOut, own_user_out
from functions.api.request_bodies import Login, Refresh, Registration
from functions.api.use_cases.accounts import SignedIn, log_in, log_out, refresh_session, register_account
from headwater.domain.accounts import login_form
from headwater.domain.refresh_tokens import ACCESS_TOKEN_SECONDS

router = APIRouter(prefix="/auth", tags=["accounts"])


def _tokens(signed_in: SignedIn) -> TokensOut:
    return TokensOut(
        user=own_user_out(signed_in.user),
        access_token=signed_in.access_token,
        refresh_token=signed_in.refresh_token,
        expires_in=ACCESS_TOKEN_SECONDS,
    )


@router.post("/register", status_code=201)
def register(body: Registration, address: ClientAddress, services: ServicesDep, unit: Unit) -> TokensOut:
    """Make an account and sign in with it."""
    services.limits.spend("register", address, services.settings.registrations_per_minute)
    return _tokens(
        register_account(unit, services.passwords, services.tokens, body.username, body.email, body.password)
    )


@router.post("/login")
def login(body: Login, address: ClientAddress, services: ServicesDep, unit: Unit) -> TokensOut:
    """Sign in with a username or an e-mail address."""
    allowed = services.settings.logins_per_minute
    services.limits.spend("login", address, allowed)
    services.limits.spend("login-to", login_form(body.login), allowed)
    return _tokens(log_in(unit, services.passwords, services.tokens, body.login, body.password))


@router.post("/refresh")
def refresh(body: Refresh, services: ServicesDep, unit: Unit) -> TokensOut:
    """Trade a refresh token for the next pair. Each works once; a second use ends the session."""
    return _tokens(refresh_session(unit, services.tokens, body.refresh_token))


@router.post("/logout", status_code=204)
def logout(user: CurrentUser, unit: Unit) -> None:
    """End the session that this access token belongs to."""
    log_out(unit.sessions, user)

"""Stage 7 · routes of passwords and of the address that a forgotten one is replaced through."""

from __future__ import annotations

from fastapi import APIRouter

from functions.api.dependencies import ClientAddress, CurrentUser, ServicesDep, Unit
from functions.api.inline_routes import InlineRoute
from functions.api.request_bodies import EmailLink, ForgottenPassword, PasswordChange, PasswordReset
from functions.api.use_cases.addresses import verify_email
from functions.api.use_cases.passwords import change_password, reset_password
from headwater.adapters.rate_limits import HOUR
from headwater.contracts import AccountMailKind, AccountMailRequested
from headwater.domain.accounts import login_form

router = APIRouter(route_class=InlineRoute, prefix="/auth", tags=["accounts"])


@router.post("/password", status_code=204)
def new_password(body: PasswordChange, user: CurrentUser, services: ServicesDep, unit: Unit) -> None:
    """Change one's password. Every other session ends."""
    services.limits.spend("password", user.user_id, services.settings.logins_per_minute)
    current, new = body.current_password, body.new_password
    change_password(unit, services.passwords, services.sockets, services.account_mail, user, current, new)


@router.post("/password/forgot", status_code=204)
def forgot_password(body: ForgottenPassword, address: ClientAddress, services: ServicesDep) -> None:
    """Ask for a link to choose a new password with. The answer is the same whether anybody has this address or not."""
    services.limits.spend("forgot", address, services.settings.logins_per_minute)
    services.limits.spend("forgot-of", login_form(body.email), services.settings.mails_per_hour, HOUR)
    # Who is asked for here is looked up elsewhere: nothing that is done before the answer depends on it.
    services.account_mail.send(AccountMailRequested(kind=AccountMailKind.RESET_PASSWORD, email=body.email))


@router.post("/password/reset", status_code=204)
def reset(body: PasswordReset, address: ClientAddress, services: ServicesDep, unit: Unit) -> None:
    """Choose a new password with the secret of a link. Every session of the account ends."""
    services.limits.spend("reset", address, services.settings.logins_per_minute)
    reset_password(unit, services.passwords, services.sockets, services.account_mail, body.token, body.password)


@router.post("/email/verification", status_code=204)
def request_verification(user: CurrentUser, services: ServicesDep) -> None:
    """Have another link sent to one's address, to show that it is one's own."""
    services.limits.spend("verification", user.user_id, services.settings.mails_per_hour, HOUR)
    services.account_mail.send(AccountMailRequested(kind=AccountMailKind.VERIFY_EMAIL, user_id=user.user_id))


@router.post("/email/verify", status_code=204)
def confirm_email(body: EmailLink, address: ClientAddress, services: ServicesDep, unit: Unit) -> None:
    """Show that an address is one's own, with the secret of the link that was sent to it."""
    services.limits.spend("confirm", address, services.settings.logins_per_minute)
    verify_email(unit, body.token)

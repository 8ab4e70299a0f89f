"""Stage 7 · routes of passwords and of the address that a forgotten one is replaced through."""

from __future__ import annotations

from fastapi import APIRouter

from functions.api.dependencies import ClientAddress, CurrentUser, ServicesDep, Unit
from functions.api.inline_routes import InlineRoute
from functions.api.request_bodies import AddressChange, EmailLink, ForgottenPassword, PasswordChange, PasswordReset
from functions.api.use_cases.addresses import confirm_address, request_change
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
    services.limits.spend("mail-to", login_form(body.email), services.settings.mails_per_hour, HOUR)
    # Who is asked for here is looked up elsewhere: nothing that is done before the answer depends on it.
    services.account_mail.send(AccountMailRequested(kind=AccountMailKind.RESET_PASSWORD, email=body.email))


@router.post("/password/reset", status_code=204)
def reset(body: PasswordReset, address: ClientAddress, services: ServicesDep, unit: Unit) -> None:
    """Choose a new password with the secret of a link. Every session and personal access token of the account ends."""
    services.limits.spend("reset", address, services.settings.logins_per_minute)
    reset_password(unit, services.passwords, services.sockets, services.account_mail, body.token, body.password)


@router.post("/email", status_code=204)
def change_email(body: AddressChange, user: CurrentUser, services: ServicesDep, unit: Unit) -> None:
    """Ask for another address: it is the account's as soon as the link that is sent there is followed (`email/verify`), and
    the old one is told. Send the password, or, without one, have signed in within ten minutes. The answer is the same
    whether anybody has that address or not."""
    services.limits.spend("password", user.user_id, services.settings.logins_per_minute)
    services.limits.spend("verification", user.user_id, services.settings.mails_per_hour, HOUR)
    services.limits.spend("mail-to", login_form(body.email), services.settings.mails_per_hour, HOUR)
    request_change(unit, services.passwords, services.account_mail, user, body.email, body.password)


@router.post("/email/verification", status_code=204)
def request_verification(user: CurrentUser, services: ServicesDep) -> None:
    """Have another link sent to one's address, to show that it is one's own."""
    services.limits.spend("verification", user.user_id, services.settings.mails_per_hour, HOUR)
    services.account_mail.send(AccountMailRequested(kind=AccountMailKind.VERIFY_EMAIL, user_id=user.user_id))


@router.post("/email/verify", status_code=204)
def confirm_email(body: EmailLink, address: ClientAddress, services: ServicesDep, unit: Unit) -> None:
    """Show that an address is one's own, with the secret of the link that was sent to it. One that was asked for in the
    place of another is the account's from now on; 409 `name_taken` if somebody has it by now."""
    services.limits.spend("confirm", address, services.settings.logins_per_minute)
    confirm_address(unit, services.account_mail, body.token)

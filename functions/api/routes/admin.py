"""Stage 7 · routes of administering the site. For administrators who are signed in; everything is in the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from functions.api.dependencies import PAGE_LIMIT, Admin, Cursor, Limit, ServicesDep, Unit, UsernameParam
from functions.api.inline_routes import InlineRoute
from functions.api.pages import id_before, page_of
from functions.api.people import (
    AdministeredUserOut,
    AuditEntryOut,
    Because,
    GrantableRole,
    MaybeBecause,
    Reason,
    administered_user_out,
    audit_entry_out,
)
from functions.api.representations import Page
from functions.api.use_cases.administration import (
    grant_role,
    read_audit_log,
    revoke_role,
    search_users,
    set_verified,
    show_user,
    suspend_account,
    unsuspend_account,
)
from headwater.domain.accounts import Role
from headwater.domain.audit import Action
from headwater.domain.ids import UserId

router = APIRouter(route_class=InlineRoute, prefix="/admin", tags=["administration"])

WhyQuery = Annotated[Reason | None, Query(description="Kept in the audit log.")]


@router.get("/users")
def search(
    admin: Admin,
    unit: Unit,
    q: Annotated[
        str | None, Query(min_length=1, max_length=254, description="How a username or an address begins; or an id.")
    ] = None,
    role: Role | None = None,
    suspended: bool | None = None,
    limit: Limit = PAGE_LIMIT,
    cursor: Cursor = None,
) -> Page[AdministeredUserOut]:
    """Accounts, the newest first."""
    before = id_before(cursor)
    found = search_users(unit, admin.user_id, q, role, suspended, None if before is None else UserId(before), limit + 1)
    return page_of(found, limit, administered_user_out, lambda each: each.user_id)


@router.get("/users/{username}")
def administered_user(username: UsernameParam, admin: Admin, unit: Unit) -> AdministeredUserOut:
    """One account."""
    return administered_user_out(show_user(unit, admin.user_id, username))


@router.put("/users/{username}/roles/{role}")
def grant(
    username: UsernameParam, role: GrantableRole, admin: Admin, unit: Unit, body: MaybeBecause | None = None
) -> AdministeredUserOut:
    """Give a role, whether they have it or not."""
    reason = body.reason if body else None
    return administered_user_out(grant_role(unit, admin.user_id, username, role, reason))


@router.delete("/users/{username}/roles/{role}")
def revoke(
    username: UsernameParam, role: GrantableRole, admin: Admin, unit: Unit, reason: WhyQuery = None
) -> AdministeredUserOut:
    """Take a role away, whether they have it or not. The site's last administrator stays one: `last_admin`."""
    return administered_user_out(revoke_role(unit, admin.user_id, username, role, reason))


@router.post("/users/{username}/suspend")
def suspend(
    body: Because, username: UsernameParam, admin: Admin, services: ServicesDep, unit: Unit
) -> AdministeredUserOut:
    """End the account's sessions, broadcasts and chat sockets, and let it do nothing until the suspension is lifted.

    Done when this has answered; after a 503, send it again.
    """
    return administered_user_out(
        suspend_account(unit, services.hot_state, services.sockets, admin.user_id, username, body.reason)
    )


@router.post("/users/{username}/unsuspend")
def unsuspend(
    body: Because, username: UsernameParam, admin: Admin, services: ServicesDep, unit: Unit
) -> AdministeredUserOut:
    """Lift a suspension. The account can sign in again, and its stream keys and personal tokens work."""
    return administered_user_out(unsuspend_account(unit, services.hot_state, admin.user_id, username, body.reason))


@router.put("/users/{username}/verification")
def verify(username: UsernameParam, admin: Admin, unit: Unit, body: MaybeBecause | None = None) -> AdministeredUserOut:
    """Vouch for who they are: `is_verified`."""
    reason = body.reason if body else None
    return administered_user_out(set_verified(unit, admin.user_id, username, reason, verified=True))


@router.delete("/users/{username}/verification")
def unverify(username: UsernameParam, admin: Admin, unit: Unit, reason: WhyQuery = None) -> AdministeredUserOut:
    """No longer vouch for who they are."""
    return administered_user_out(set_verified(unit, admin.user_id, username, reason, verified=False))


@router.get("/audit-log")
def audit_log(
    admin: Admin,
    unit: Unit,
    actor: Annotated[str | None, Query(max_length=64, description="A username, an id, or `operator`.")] = None,
    subject: Annotated[
        str | None, Query(max_length=64, description="A username, or the id of a user or stream.")
    ] = None,
    action: Action | None = None,
    limit: Limit = PAGE_LIMIT,
    cursor: Cursor = None,
) -> Page[AuditEntryOut]:
    """Who did what to whom, why, and when; the latest first."""
    found = read_audit_log(
        unit,
        admin.user_id,
        actor=actor,
        subject=subject,
        action=action,
        before=id_before(cursor),
        limit=limit + 1,
    )
    return page_of(found, limit, audit_entry_out, lambda each: each.entry_id)

"""Before stage 7 · give an account the role of administrator; how the first one comes to be."""

from __future__ import annotations

from headwater.adapters.administered_users import AdministeredUsers
from headwater.adapters.audit_log import AuditLog
from headwater.adapters.postgres import Database
from headwater.domain.accounts import Role
from headwater.domain.audit import OPERATOR, Action, Subject, SubjectKind


def make_admin(database: Database, username: str) -> tuple[str, ...]:
    """Their roles from now on. Raises LookupError when nobody has this name."""
    with database.begin() as connection:
        users = AdministeredUsers(connection)
        user = users.hold(username)
        if user is None:
            raise LookupError(f"there is no account named {username!r}")
        if Role.ADMIN in user.roles:
            return user.roles
        users.grant(user.user_id, Role.ADMIN)
        subject = Subject(SubjectKind.USER, user.user_id)
        AuditLog(connection).write(OPERATOR, Action.ROLE_GRANTED, subject, "grant_admin", {"role": Role.ADMIN.value})
        return (*user.roles, Role.ADMIN.value)

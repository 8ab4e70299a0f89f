"""Client · other people (`Users`) and the administration of the site (`Admin`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from headwater_client import answers
from headwater_client.connection import Connection, path, reader

Role = Literal["viewer", "streamer", "moderator", "admin"]
GrantableRole = Literal["streamer", "moderator", "admin"]
Action = Literal[
    "users.searched",
    "audit_log.read",
    "user.role_granted",
    "user.role_revoked",
    "user.suspended",
    "user.unsuspended",
    "user.verified",
    "user.unverified",
    "personal_token.created",
    "personal_token.revoked",
    "stream.moderator_named",
    "stream.moderator_dismissed",
    "account.export_requested",
    "account.deleted",
]


class Users:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, username: str) -> answers.User:
        return self._connection.fetch(reader(answers.User), "GET", path("users", username))

    def follow(self, username: str) -> None:
        self._connection.send("PUT", path("users", username, "follow"))

    def unfollow(self, username: str) -> None:
        self._connection.send("DELETE", path("users", username, "follow"))

    def followers(self, username: str, *, limit: int | None = None) -> Iterator[answers.Follow]:
        return self._connection.pages(reader(answers.Follow), path("users", username, "followers"), {"limit": limit})


class Admin:
    """For administrators. Every change lands in the audit log, with its reason."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def users(
        self,
        *,
        q: str | None = None,
        role: Role | None = None,
        suspended: bool | None = None,
        limit: int | None = None,
    ) -> Iterator[answers.AdministeredUser]:
        query = {"q": q, "role": role, "suspended": suspended, "limit": limit}
        return self._connection.pages(reader(answers.AdministeredUser), path("admin", "users"), query)

    def user(self, username: str) -> answers.AdministeredUser:
        return self._change("GET", username)

    def grant(self, username: str, role: GrantableRole, *, reason: str | None = None) -> answers.AdministeredUser:
        return self._change("PUT", username, "roles", role, reason=reason)

    def revoke(self, username: str, role: GrantableRole, *, reason: str | None = None) -> answers.AdministeredUser:
        return self._change("DELETE", username, "roles", role, reason=reason)

    def suspend(self, username: str, reason: str) -> answers.AdministeredUser:
        """Ends their sessions, broadcasts and sockets, and refuses their tokens and keys."""
        return self._change("POST", username, "suspend", reason=reason)

    def unsuspend(self, username: str, reason: str) -> answers.AdministeredUser:
        return self._change("POST", username, "unsuspend", reason=reason)

    def verify(self, username: str, *, reason: str | None = None) -> answers.AdministeredUser:
        return self._change("PUT", username, "verification", reason=reason)

    def unverify(self, username: str, *, reason: str | None = None) -> answers.AdministeredUser:
        return self._change("DELETE", username, "verification", reason=reason)

    def audit_log(
        self,
        *,
        actor: str | None = None,
        subject: str | None = None,
        action: Action | None = None,
        limit: int | None = None,
    ) -> Iterator[answers.AuditEntry]:
        """Newest first. `actor` and `subject`: usernames or ids."""
        query = {"actor": actor, "subject": subject, "action": action, "limit": limit}
        return self._connection.pages(reader(answers.AuditEntry), path("admin", "audit-log"), query)

    def _change(self, method: str, username: str, *what: str, reason: str | None = None) -> answers.AdministeredUser:
        said = None if reason is None else {"reason": reason}
        body, query = (None, said) if method == "DELETE" else (said, None)
        address = path("admin", "users", username, *what)
        return self._connection.fetch(reader(answers.AdministeredUser), method, address, body, query)

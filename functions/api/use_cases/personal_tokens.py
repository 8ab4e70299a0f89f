"""Stage 7 · personal access tokens: made, listed, revoked, and shown by bots in the place of an access token."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from functions.api.use_cases.audit_log import AuditLog
from headwater.adapters.access_tokens import Identity
from headwater.adapters.personal_tokens import ShownPersonalToken
from headwater.domain.audit import Action, Subject, SubjectKind
from headwater.domain.ids import UserId
from headwater.domain.personal_tokens import MOST_TOKENS, PersonalToken, Scope, is_well_formed, new_personal_token
from headwater.domain.sign_in import Standing
from headwater.errors import (
    AccountSuspended,
    FieldError,
    InsufficientScope,
    InvalidInput,
    LimitReached,
    NotFound,
    Unauthenticated,
)


class TokenStore(Protocol):
    def add(
        self, user_id: UserId, name: str, token: str, scopes: Sequence[str], now: datetime, expires_at: datetime
    ) -> PersonalToken: ...
    def hold_count(self, user_id: UserId, now: datetime) -> int: ...
    def remove(self, user_id: UserId, token_id: str) -> bool: ...
    def show(self, token: str, now: datetime) -> ShownPersonalToken | None: ...
    def note_use(self, token_id: str, now: datetime) -> None: ...


class Work(Protocol):
    @property
    def personal_tokens(self) -> TokenStore: ...
    @property
    def audit(self) -> AuditLog: ...
    def commit(self) -> None: ...


class Sockets(Protocol):
    def close(self, user_id: UserId, session_ids: Collection[str]) -> None:
        """Raises DependencyUnavailable."""


def create_token(work: Work, user_id: UserId, name: str, scopes: Sequence[str], days: int) -> tuple[PersonalToken, str]:
    """The token's description, and the token itself, which nobody can see again. Raises InvalidInput, LimitReached."""
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if scope not in set(Scope)]
    if unknown:
        raise InvalidInput(errors=(FieldError("scopes", f"Choose from: {', '.join(Scope)}."),))
    now = datetime.now(UTC)
    if work.personal_tokens.hold_count(user_id, now) >= MOST_TOKENS:
        raise LimitReached(f"An account has at most {MOST_TOKENS} tokens. Revoke one first.")
    secret = new_personal_token()
    made = work.personal_tokens.add(user_id, name, secret, wanted, now, now + timedelta(days=days))
    details = {"token": made.token_id, "scopes": wanted}
    work.audit.write(user_id, Action.TOKEN_CREATED, Subject(SubjectKind.USER, user_id), details=details)
    return made, secret


def revoke_token(work: Work, sockets: Sockets, user_id: UserId, token_id: str) -> None:
    """It is worthless from now on, and the sockets that it opened close. Raises DependencyUnavailable when not all of these
    are closed: then it may be called again, and closes them although there is no such token any more. Raises NotFound."""
    removed = work.personal_tokens.remove(user_id, token_id)
    if removed:
        note_revoked(work.audit, user_id, token_id)
        work.commit()
    sockets.close(user_id, [token_id])
    if not removed:
        raise NotFound


def note_revoked(audit: AuditLog, user_id: UserId, token_id: str) -> None:
    audit.write(user_id, Action.TOKEN_REVOKED, Subject(SubjectKind.USER, user_id), details={"token": token_id})


def speak_with_token(work: Work, token: str, needed: Scope | None) -> tuple[Identity, Standing]:
    """Whom `token` speaks for; its id takes the place of a session's. `needed` is what the call takes; None: no token may.

    Raises Unauthenticated, AccountSuspended, InsufficientScope.
    """
    now = datetime.now(UTC)
    shown = work.personal_tokens.show(token, now) if is_well_formed(token) else None
    if shown is None:
        raise Unauthenticated("This personal access token is not valid, or not any more.")
    if shown.standing.suspended:
        raise AccountSuspended
    if needed is None:
        raise InsufficientScope("Personal access tokens may not do this. Sign in.")
    if needed not in shown.scopes:
        raise InsufficientScope(f"This personal access token lacks the scope `{needed}`.")
    work.personal_tokens.note_use(shown.token_id, now)
    return Identity(shown.user_id, shown.token_id), shown.standing

"""Stage 7 · signed-in sessions: begin one, stay signed in, see where one is signed in, sign out there.

A session that ends takes its sockets with it (Mastodon's CVE-2025-62175 was a socket that outlived its session). The
order matters: first the end is committed, so that nobody gets another ticket by it, then the sockets are looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from headwater.adapters.access_tokens import Identity
from headwater.domain.accounts import User
from headwater.domain.ids import UserId
from headwater.domain.refresh_tokens import (
    ShownToken,
    Verdict,
    judge,
    new_refresh_token,
    proves_a_retry,
    seal_successor,
    unseal_successor,
)
from headwater.domain.sign_in import MOST_SESSIONS, Device, SignInSession, Standing
from headwater.errors import AccountSuspended, DependencyUnavailable, NotFound, TokenReused, Unauthenticated
from headwater.observability import count, logger


class AccountStore(Protocol):
    def by_id(self, user_id: UserId) -> User | None: ...


class SessionStore(Protocol):
    def open(self, user_id: UserId, refresh_token: str, device: Device, now: datetime) -> str: ...
    def standing(self, user_id: UserId, session_id: str, now: datetime) -> Standing | None: ...
    def show(self, refresh_token: str) -> ShownToken | None: ...
    def awaits_use(self, session_id: str, refresh_token: str) -> bool: ...
    def rotate(
        self, session_id: str, used: str, next_token: str, sealed_next: bytes | None, device: Device, now: datetime
    ) -> None: ...
    def end(self, session_id: str, reason: str, now: datetime) -> None: ...
    def end_own(self, user_id: UserId, session_id: str, reason: str, now: datetime) -> bool: ...
    def end_all(self, user_id: UserId, reason: str, now: datetime, *, but: str | None = None) -> Sequence[str]: ...
    def end_surplus(self, user_id: UserId, most: int, reason: str, now: datetime) -> Sequence[str]: ...
    def running(self, user_id: UserId, before: str | None, limit: int, now: datetime) -> Sequence[SignInSession]: ...


class Work(Protocol):
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def sessions(self) -> SessionStore: ...
    def commit(self) -> None: ...


class SessionWork(Protocol):
    @property
    def sessions(self) -> SessionStore: ...
    def commit(self) -> None: ...


class TokenIssuer(Protocol):
    def issue(self, identity: Identity) -> str: ...


class Sockets(Protocol):
    def close(self, user_id: UserId, session_ids: Collection[str]) -> None:
        """Raises DependencyUnavailable."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    user: User
    access_token: str
    refresh_token: str


def check_standing(sessions: SessionStore, caller: Identity) -> Standing:
    """That the session of an access token still runs. Raises Unauthenticated, AccountSuspended."""
    standing = sessions.standing(caller.user_id, caller.session_id, datetime.now(UTC))
    if standing is None:
        raise Unauthenticated("This session has ended. Sign in again.")
    if standing.suspended:
        raise AccountSuspended
    return standing


def open_session(sessions: SessionStore, tokens: TokenIssuer, user: User, device: Device) -> SignedIn:
    """Sign `user` in. Whoever calls has made sure that it is them. Raises AccountSuspended."""
    if user.is_suspended:
        raise AccountSuspended
    refresh_token = new_refresh_token()
    session_id = sessions.open(user.user_id, refresh_token, device, datetime.now(UTC))
    return SignedIn(user, tokens.issue(Identity(user.user_id, session_id)), refresh_token)


def sign_in(
    work: SessionWork, sockets: Callable[[], Sockets], tokens: TokenIssuer, user: User, device: Device
) -> SignedIn:
    """As `open_session`, to an account that was there before: beyond MOST_SESSIONS, the session that was used least
    lately ends."""
    signed_in = open_session(work.sessions, tokens, user, device)
    ended = work.sessions.end_surplus(user.user_id, MOST_SESSIONS, "too_many", datetime.now(UTC))
    if ended:
        work.commit()
        close_if_possible(lambda: sockets().close(user.user_id, ended), user.user_id)
    return signed_in


def refresh_session(
    work: Work, sockets: Sockets, tokens: TokenIssuer, refresh_token: str, retry_key: str | None, device: Device
) -> SignedIn:
    """The next pair of tokens. Raises TokenReused, and then the session is over for everybody; Unauthenticated.

    `retry_key` is the request's `Idempotency-Key`: with it, who lost the answer is given it again.
    """
    now = datetime.now(UTC)
    shown = work.sessions.show(refresh_token)
    verdict = judge(shown, now)
    if shown is None or verdict is Verdict.REFUSED:
        raise Unauthenticated("This refresh token is not valid any more. Sign in again.")
    retry_key = retry_key if proves_a_retry(retry_key) else None
    next_token = None
    if verdict is Verdict.ROTATE:
        next_token = new_refresh_token()
        sealed = seal_successor(refresh_token, retry_key, next_token) if retry_key else None
        work.sessions.rotate(shown.session_id, refresh_token, next_token, sealed, device, now)
    elif verdict is Verdict.RETRY and retry_key and shown.sealed_successor:
        candidate = unseal_successor(refresh_token, retry_key, shown.sealed_successor)
        next_token = candidate if work.sessions.awaits_use(shown.session_id, candidate) else None
    if next_token is None:
        _end_stolen(work, sockets, shown, now)
        raise TokenReused
    user = work.accounts.by_id(shown.user_id)
    if user is None:
        raise Unauthenticated
    if user.is_suspended:
        raise AccountSuspended
    return SignedIn(user, tokens.issue(Identity(user.user_id, shown.session_id)), next_token)


def log_out(work: SessionWork, sockets: Sockets, who: Identity) -> None:
    """End the session that `who` came with: its tokens are worthless, its sockets close."""
    work.sessions.end(who.session_id, "logged_out", datetime.now(UTC))
    work.commit()
    close_if_possible(lambda: sockets.close(who.user_id, [who.session_id]), who.user_id)


def running_sessions(
    sessions: SessionStore, user_id: UserId, before: str | None, limit: int
) -> Sequence[SignInSession]:
    return sessions.running(user_id, before, limit, datetime.now(UTC))


def revoke_session(work: SessionWork, sockets: Sockets, user_id: UserId, session_id: str) -> None:
    """Sign out elsewhere. Raises NotFound for what is none of this user's sessions; DependencyUnavailable when the session
    has ended, but not all of its sockets are closed: then it may be called again."""
    if not work.sessions.end_own(user_id, session_id, "revoked", datetime.now(UTC)):
        raise NotFound
    work.commit()
    sockets.close(user_id, [session_id])


def revoke_other_sessions(work: SessionWork, sockets: Sockets, who: Identity) -> None:
    """Sign out everywhere but here. Raises DependencyUnavailable as `revoke_session` does."""
    ended = work.sessions.end_all(who.user_id, "revoked", datetime.now(UTC), but=who.session_id)
    work.commit()
    sockets.close(who.user_id, ended)


def end_sessions(
    work: SessionWork,
    sockets: Sockets,
    user_id: UserId,
    reason: str,
    *,
    but: str | None = None,
    tokens: Sequence[str] = (),
) -> None:
    """End all of a user's sessions, or all but one, as a part of something else that is done with this; and close the
    sockets that they and the personal `tokens` (ids) opened."""
    ended = work.sessions.end_all(user_id, reason, datetime.now(UTC), but=but)
    work.commit()
    close_if_possible(lambda: sockets.close(user_id, [*ended, *tokens]), user_id)


def _end_stolen(work: Work, sockets: Sockets, shown: ShownToken, now: datetime) -> None:
    work.sessions.end(shown.session_id, "token_reused", now)
    work.commit()  # the refusal must not undo it
    count("RefreshTokenReused")
    close_if_possible(lambda: sockets.close(shown.user_id, [shown.session_id]), shown.user_id)


def close_if_possible(close: Callable[[], None], user_id: UserId) -> None:
    """For calls that cannot be made again: the session is over either way, and operators hear of its sockets."""
    try:
        close()
    except DependencyUnavailable:
        logger().exception("sockets of an ended session were not closed", extra={"user_id": user_id})
        count("SocketsNotClosed")

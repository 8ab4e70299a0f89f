"""Stage 7 · tickets: what a signed-in user opens a chat socket with, since a browser can send no header there.

A ticket stands in the socket's URL, so it is worth little: it works once, for half a minute, for one user's chat, and as
long as the session goes on that asked for it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import msgspec

from headwater.adapters.cache import CACHE_FAILURES, cache_client
from headwater.domain.chat import Chatter
from headwater.domain.ids import UserId
from headwater.errors import DependencyUnavailable, Unauthenticated

TICKET_SECONDS = 30
BARRED_SECONDS = 120  # a ticket's life, and that of a request which was on its way to one
_TICKET_BYTES = 24
_LONGEST_TICKET = 64


@dataclass(frozen=True, slots=True)
class Admission:
    """Whom a ticket lets in, and by which session it was asked for."""

    chatter: Chatter
    session_id: str


class ChatTickets:
    """Every method raises DependencyUnavailable when the cache does not answer."""

    def __init__(self, cache_url: str) -> None:
        self._cache_url = cache_url

    def issue(self, chatter: Chatter, session_id: str) -> str:
        """A ticket for this user and session, good for TICKET_SECONDS."""
        ticket = secrets.token_urlsafe(_TICKET_BYTES)
        admission = Admission(chatter, session_id)
        try:
            cache_client(self._cache_url).set(_key(ticket), msgspec.json.encode(admission), ex=TICKET_SECONDS)
        except CACHE_FAILURES as error:
            raise DependencyUnavailable from error
        return ticket

    def redeem(self, ticket: str) -> Admission:
        """Whose ticket this is; from now on it is no one's. Raises Unauthenticated when it is unknown, old or used."""
        if not ticket or len(ticket) > _LONGEST_TICKET:
            raise Unauthenticated("This ticket is not valid.")
        try:
            found = cache_client(self._cache_url).getdel(_key(ticket))
        except CACHE_FAILURES as error:
            raise DependencyUnavailable from error
        if found is None:
            raise Unauthenticated("This ticket is not valid any more. Get a new one; it works once, for 30 seconds.")
        return msgspec.json.decode(found, type=Admission)

    def bar(self, user_id: UserId, session_id: str | None = None) -> None:
        """From now on, until no ticket from before can be left, this session of the user is barred, or all of theirs are."""
        try:
            cache_client(self._cache_url).set(_bar(user_id, session_id), "1", ex=BARRED_SECONDS)
        except CACHE_FAILURES as error:
            raise DependencyUnavailable from error

    def is_barred(self, admission: Admission) -> bool:
        user_id = admission.chatter.user_id
        keys = (_bar(user_id, admission.session_id), _bar(user_id, None))
        try:
            return bool(cache_client(self._cache_url).exists(*keys))
        except CACHE_FAILURES as error:
            raise DependencyUnavailable from error


def _key(ticket: str) -> str:
    return f"ticket:{ticket}"


def _bar(user_id: UserId, session_id: str | None) -> str:
    return f"barred:{{{user_id}}}:{session_id or 'all'}"

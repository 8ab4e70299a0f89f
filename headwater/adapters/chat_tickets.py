"""Stage 7 · tickets: what a signed-in user opens a chat socket with, since a browser can send no header there.

A ticket stands in the socket's URL, so it is worth little: it works once, for half a minute, for one user's chat.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

import msgspec

from headwater.adapters.cache import CACHE_FAILURES, cache_client
from headwater.domain.chat import Chatter
from headwater.domain.ids import UserId
from headwater.errors import DependencyUnavailable, Unauthenticated

TICKET_SECONDS = 30
_TICKET_BYTES = 24
_LONGEST_TICKET = 64


class ChatTickets:
    """Both methods raise DependencyUnavailable when the cache does not answer."""

    def __init__(self, cache_url: str) -> None:
        self._cache_url = cache_url

    def issue(self, user_id: UserId, username: str, roles: Iterable[str]) -> str:
        """A ticket for this user, good for TICKET_SECONDS."""
        ticket = secrets.token_urlsafe(_TICKET_BYTES)
        chatter = Chatter(user_id=user_id, username=username, roles=tuple(roles))
        try:
            cache_client(self._cache_url).set(_key(ticket), msgspec.json.encode(chatter), ex=TICKET_SECONDS)
        except CACHE_FAILURES as error:
            raise DependencyUnavailable from error
        return ticket

    def redeem(self, ticket: str) -> Chatter:
        """Whose ticket this is; from now on it is no one's. Raises Unauthenticated when it is unknown, old or used."""
        if not ticket or len(ticket) > _LONGEST_TICKET:
            raise Unauthenticated("This ticket is not valid.")
        try:
            found = cache_client(self._cache_url).getdel(_key(ticket))
        except CACHE_FAILURES as error:
            raise DependencyUnavailable from error
        if found is None:
            raise Unauthenticated("This ticket is not valid any more. Get a new one; it works once, for 30 seconds.")
        return msgspec.json.decode(found, type=Chatter)


def _key(ticket: str) -> str:
    return f"ticket:{ticket}"

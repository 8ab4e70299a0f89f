"""Stage 7 · `$connect`: may this page and this ticket open a socket?"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from headwater.domain.chat import Chatter, origin_allowed
from headwater.domain.ids import ConnectionId
from headwater.errors import Forbidden


class Tickets(Protocol):
    def redeem(self, ticket: str) -> Chatter: ...


class Connections(Protocol):
    def open(self, connection_id: ConnectionId, chatter: Chatter | None) -> None: ...


class OpenConnection:
    def __init__(self, tickets: Tickets, connections: Connections, allowed_origins: Collection[str]) -> None:
        self._tickets = tickets
        self._connections = connections
        self._allowed_origins = allowed_origins

    def __call__(self, connection_id: ConnectionId, origin: str | None, ticket: str | None) -> None:
        """Without a ticket the socket may only read. Raises Forbidden (origin), Unauthenticated (ticket)."""
        if not origin_allowed(origin, self._allowed_origins):
            raise Forbidden("This page may not open a chat socket.")
        chatter = self._tickets.redeem(ticket) if ticket is not None else None
        self._connections.open(connection_id, chatter)

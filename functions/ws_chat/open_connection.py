"""Stage 7 · `$connect`: may this page and this ticket open a socket?"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from headwater.adapters.chat_tickets import Admission
from headwater.domain.chat import Chatter, origin_allowed
from headwater.domain.client_address import Address
from headwater.domain.ids import ConnectionId
from headwater.errors import Forbidden, Unauthenticated


class Tickets(Protocol):
    def redeem(self, ticket: str) -> Admission: ...
    def is_barred(self, admission: Admission) -> bool: ...


class Connections(Protocol):
    def open(self, connection_id: ConnectionId, chatter: Chatter | None, session_id: str | None = None) -> None: ...
    def close(self, connection_id: ConnectionId) -> None: ...


class Limits(Protocol):
    def spend(self, action: str, subject: str, allowed: int) -> None: ...


class OpenConnection:
    def __init__(
        self,
        tickets: Tickets,
        connections: Connections,
        allowed_origins: Collection[str],
        limits: Limits,
        connections_per_minute: int,
    ) -> None:
        self._tickets = tickets
        self._connections = connections
        self._allowed_origins = allowed_origins
        self._limits = limits
        self._connections_per_minute = connections_per_minute

    def __call__(self, connection_id: ConnectionId, origin: str | None, ticket: str | None, address: Address) -> None:
        """Without a ticket the socket may only read. Raises Forbidden (origin), RateLimited, Unauthenticated (ticket)."""
        if not origin_allowed(origin, self._allowed_origins):
            raise Forbidden("This page may not open a chat socket.")
        self._limits.spend("chat-connection", address, self._connections_per_minute)
        if ticket is None:
            self._connections.open(connection_id, None)
            return
        admission = self._tickets.redeem(ticket)
        self._connections.open(connection_id, admission.chatter, admission.session_id)
        # In this order: who ends a session bars it before looking for its connections.
        if self._tickets.is_barred(admission):
            self._connections.close(connection_id)
            raise Unauthenticated("The session that this ticket belongs to has ended.")

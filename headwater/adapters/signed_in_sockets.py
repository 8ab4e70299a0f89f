"""Stage 7 · the end of the sockets of a session that has ended: found in DynamoDB, closed through `@connections`.

A socket may be opened at the very moment that its session ends. So first the session is barred in the cache, where
`$connect` looks after it has written down its connection: either it sees the bar, or we see the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from headwater.adapters.chat_connections import ChatConnections
from headwater.adapters.chat_tickets import ChatTickets
from headwater.adapters.connection_posts import ConnectionPosts
from headwater.domain.ids import ConnectionId, UserId


class SignedInSockets:
    def __init__(
        self, tickets: ChatTickets, connections: ChatConnections, posts: Callable[[], ConnectionPosts]
    ) -> None:
        self._tickets = tickets
        self._connections = connections
        self._posts = posts

    def close(self, user_id: UserId, session_ids: Collection[str]) -> None:
        """Close what these sessions of the user opened, and let none of their tickets open another.

        Call it when the end of the sessions is committed. Raises DependencyUnavailable: then it may have done a part.
        """
        if session_ids:
            for session_id in session_ids:
                self._tickets.bar(user_id, session_id)
            self._close(user_id, lambda session_id: session_id in session_ids)

    def close_all(self, user_id: UserId) -> None:
        """Close every socket of the user, whatever opened it. Raises as `close` does."""
        self._tickets.bar(user_id)
        self._close(user_id, lambda _: True)

    def _close(self, user_id: UserId, wanted: Callable[[str | None], bool]) -> None:
        found = [connection_id for connection_id, by in self._connections.of_user(user_id) if wanted(by)]
        for connection_id in found:
            self._connections.close(connection_id)  # from now on it is sent nothing, and heard as a stranger
        if found:
            # A loop of our own: the one of this thread, if there is any, is the gateway's.
            loop = asyncio.new_event_loop()
            try:
                loop.run_until_complete(self._hang_up(found))
            finally:
                loop.close()

    async def _hang_up(self, connection_ids: Collection[ConnectionId]) -> None:
        posts = self._posts()
        try:
            await asyncio.gather(*(posts.close(connection_id) for connection_id in connection_ids))
        finally:
            await posts.aclose()

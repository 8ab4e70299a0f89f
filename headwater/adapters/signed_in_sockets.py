"""Stage 7 · the end of the sockets of a session that has ended: found in DynamoDB, closed through `@connections`.

A socket may be opened at the very moment that its session ends. So first the session is barred in the cache, where
`$connect` looks after it has written down its connection: either it sees the bar, or we see the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from headwater.adapters.chat_connections import ChatConnections
from headwater.adapters.chat_tickets import ChatTickets
from headwater.adapters.connection_posts import ConnectionPosts
from headwater.domain.ids import ConnectionId, UserId
from headwater.errors import DependencyUnavailable

_AT_ONCE = 16  # connections that are looked after: somebody may have opened hundreds


class SignedInSockets:
    def __init__(
        self, tickets: ChatTickets, connections: ChatConnections, posts: Callable[[], ConnectionPosts]
    ) -> None:
        self._tickets = tickets
        self._connections = connections
        self._posts = posts

    def close(self, user_id: UserId, session_ids: Collection[str]) -> None:
        """Close what these sessions of the user opened, and let none of their tickets open another.

        Call it when the end of the sessions is committed. From then on the sockets are sent nothing and heard as strangers'.
        Raises DependencyUnavailable when it could not do all; it may be called again.
        """
        if session_ids:
            with self._barring(user_id, *session_ids):
                self._close(user_id, lambda session_id: session_id in session_ids)

    def close_all(self, user_id: UserId) -> None:
        """Close every socket of the user, whatever opened it. Raises as `close` does."""
        with self._barring(user_id, None):
            self._close(user_id, lambda _: True)

    @contextmanager
    def _barring(self, user_id: UserId, *session_ids: str | None) -> Iterator[None]:
        """Before anything is closed; but a cache that is away is no reason to leave open what there is."""
        try:
            for session_id in session_ids:
                self._tickets.bar(user_id, session_id)
        except DependencyUnavailable:
            yield
            raise
        else:
            yield

    def _close(self, user_id: UserId, wanted: Callable[[str | None], bool]) -> None:
        found = [connection_id for connection_id, by in self._connections.of_user(user_id) if wanted(by)]
        if not found:
            return
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as threads:
            list(threads.map(self._connections.cut_off, found))
            # In a thread, with a loop of its own: in this one the gateway's may be running, which waits for us.
            closed = threads.submit(asyncio.run, self._hang_up(found)).result()
            list(threads.map(self._connections.close, closed))
        if len(closed) < len(found):
            raise DependencyUnavailable("Not every socket could be closed.")

    async def _hang_up(self, connection_ids: Sequence[ConnectionId]) -> list[ConnectionId]:
        """Those that are closed."""
        posts = self._posts()
        try:
            answers = await asyncio.gather(*map(posts.close, connection_ids), return_exceptions=True)
        finally:
            await posts.aclose()
        return [connection_id for connection_id, answer in zip(connection_ids, answers, strict=True) if answer is True]

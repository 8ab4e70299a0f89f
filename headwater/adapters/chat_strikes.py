"""Stage 7 · how many wrong frames in a row a connection has sent, in the cache. Lost counts are forgiven."""

from __future__ import annotations

from headwater.adapters.cache import CACHE_FAILURES, cache_client
from headwater.domain.ids import ConnectionId

STRIKE_SECONDS = 600


class ChatStrikes:
    def __init__(self, cache_url: str) -> None:
        self._cache_url = cache_url

    def strike(self, connection_id: ConnectionId) -> int:
        """One more; how many there are now in a row."""
        try:
            client = cache_client(self._cache_url)
            strikes = int(client.incr(_key(connection_id)))
            client.expire(_key(connection_id), STRIKE_SECONDS)
        except CACHE_FAILURES:
            return 0
        return strikes

    def forgive(self, connection_id: ConnectionId) -> None:
        """The connection has sent a right frame."""
        try:
            cache_client(self._cache_url).delete(_key(connection_id))
        except CACHE_FAILURES:
            return


def _key(connection_id: ConnectionId) -> str:
    return f"strikes:{connection_id}"

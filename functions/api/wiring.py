"""Stage 7 · joins the API's use cases to what stands behind them. Everything is made at first use and kept."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from redis.cluster import RedisCluster
from sqlalchemy import Connection

from functions.api.representations import Representations
from functions.api.settings import ApiSettings
from headwater.adapters.access_tokens import AccessTokens
from headwater.adapters.accounts import Accounts
from headwater.adapters.broadcast_archive import BroadcastArchive
from headwater.adapters.cache import cache_client
from headwater.adapters.chat_history import ChatHistory
from headwater.adapters.chat_rooms import ChatRooms
from headwater.adapters.chat_tickets import ChatTickets
from headwater.adapters.passwords import Passwords
from headwater.adapters.postgres import Database
from headwater.adapters.presence import Presence
from headwater.adapters.rate_limits import RateLimits
from headwater.adapters.secrets import secret
from headwater.adapters.sign_in_sessions import SignInSessions
from headwater.adapters.signing_key_ring import decode_keys
from headwater.adapters.stream_catalogue import StreamCatalogue
from headwater.broadcasts import Broadcasts
from headwater.domain.signing_keys import SigningKey


class UnitOfWork:
    """What one request reads and writes in PostgreSQL: one transaction, committed when the route has returned.

    It begins with the first look at the database: a request that is refused before never waits for it.
    """

    def __init__(self, begin: Callable[[], Connection]) -> None:
        self._begin = begin

    @functools.cached_property
    def _connection(self) -> Connection:
        return self._begin()

    @property
    def accounts(self) -> Accounts:
        return Accounts(self._connection)

    @property
    def sessions(self) -> SignInSessions:
        return SignInSessions(self._connection)

    @property
    def streams(self) -> StreamCatalogue:
        return StreamCatalogue(self._connection)

    @property
    def broadcasts(self) -> BroadcastArchive:
        return BroadcastArchive(self._connection)

    @property
    def chat(self) -> ChatHistory:
        return ChatHistory(self._connection)

    def commit(self) -> None:
        """Let what was written stand, although the request is about to be refused."""
        self._connection.commit()


class Services:
    """Made once per process. Nothing in it connects to anything before it is used."""

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self.database = Database(lambda: str(secret(settings.database_secret)["url"]))
        self.passwords = Passwords()
        self.tokens = AccessTokens(self.signing_keys, settings.token_issuer, time.time)
        self.limits = RateLimits(self.cache)
        self.presence = Presence(self.cache)
        self.tickets = ChatTickets(settings.cache_url)
        self.rooms = ChatRooms(settings.cache_url)
        self.representations = Representations(settings.cdn_url, settings.ws_url)

    @functools.cached_property
    def hot_state(self) -> Broadcasts:
        # PynamoDB and botocore cost 0.15 s to import, and most requests do not need them.
        from headwater.adapters.outbox import Outbox
        from headwater.adapters.stream_controls import StreamControls

        settings = self.settings
        return Broadcasts(StreamControls(settings.stream_table), Outbox(settings.event_bus, settings.pulse_queue_url))

    @contextmanager
    def unit_of_work(self) -> Iterator[UnitOfWork]:
        with ExitStack() as opened:
            yield UnitOfWork(lambda: opened.enter_context(self.database.begin()))

    def check_database(self) -> None:
        with self.database.begin() as connection:
            connection.exec_driver_sql("SELECT 1")

    def cache(self) -> RedisCluster:
        return cache_client(self.settings.cache_url)

    def stream_key_secret(self) -> bytes:
        return str(secret(self.settings.stream_key_secret)["secret"]).encode()

    def signing_keys(self) -> tuple[SigningKey, ...]:
        return decode_keys(secret(self.settings.token_keys_secret))

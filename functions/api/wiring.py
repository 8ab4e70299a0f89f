"""Stage 7 · joins the API's use cases to what stands behind them. Everything is made at first use and kept."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from redis.cluster import RedisCluster
from sqlalchemy import Connection

from functions.api.representations import Representations
from functions.api.settings import ApiSettings
from functions.api.use_cases.ingest_doors import AlwaysOpen, IngestDoors, OnDemand
from headwater.adapters.access_tokens import AccessTokens
from headwater.adapters.account_exports import AccountExports
from headwater.adapters.account_records import AccountRecords
from headwater.adapters.accounts import Accounts
from headwater.adapters.administered_users import AdministeredUsers
from headwater.adapters.audit_log import AuditLog
from headwater.adapters.avatars import Avatars
from headwater.adapters.broadcast_archive import BroadcastArchive
from headwater.adapters.cache import cache_client
from headwater.adapters.category_list import CategoryList
from headwater.adapters.chat_history import ChatHistory
from headwater.adapters.chat_rooms import ChatRooms
from headwater.adapters.chat_tickets import ChatTickets
from headwater.adapters.clip_list import ClipList
from headwater.adapters.database_login import database_of
from headwater.adapters.follows import Follows
from headwater.adapters.identities import Identities
from headwater.adapters.listed_people import ListedPeople
from headwater.adapters.mail_links import MailLinks
from headwater.adapters.media_signer import MediaSigner
from headwater.adapters.moderation_log import ModerationLog
from headwater.adapters.oauth_flows import OauthFlows
from headwater.adapters.passwords import Passwords
from headwater.adapters.personal_tokens import PersonalTokens
from headwater.adapters.presence import Presence
from headwater.adapters.rate_limits import RateLimits
from headwater.adapters.room_audience import RoomAudience
from headwater.adapters.secrets import secret
from headwater.adapters.sign_in_sessions import SignInSessions
from headwater.adapters.signing_key_ring import decode_keys
from headwater.adapters.stream_catalogue import StreamCatalogue
from headwater.adapters.stream_lists import StreamLists
from headwater.adapters.tables import stream_moderators, stream_viewers, stream_vips
from headwater.broadcasts import Broadcasts, unix_ms
from headwater.domain.ingest_fleet import FleetLimits
from headwater.domain.sign_in_providers import SignInProvider
from headwater.domain.signing_keys import SigningKey

if TYPE_CHECKING:
    from headwater.adapters.answered_requests import AnsweredRequests
    from headwater.adapters.audience_watch import AudienceWatch
    from headwater.adapters.bucket import Bucket
    from headwater.adapters.chat_delivery_queue import ChatDeliveryQueue
    from headwater.adapters.chat_standings import ChatStandings
    from headwater.adapters.held_messages import HeldMessages
    from headwater.adapters.openid_provider import OpenIdProvider
    from headwater.adapters.presigned import Presigned
    from headwater.adapters.queues import MessageQueue
    from headwater.adapters.room_emotes import RoomEmotes
    from headwater.adapters.room_rules import RoomRulesStore
    from headwater.adapters.signed_in_sockets import SignedInSockets
    from headwater.adapters.timelines import Timelines
    from headwater.chat_moderation import ChatModeration


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
    def identities(self) -> Identities:
        return Identities(self._connection)

    @property
    def administered_users(self) -> AdministeredUsers:
        return AdministeredUsers(self._connection)

    @property
    def account_records(self) -> AccountRecords:
        return AccountRecords(self._connection)

    @property
    def account_exports(self) -> AccountExports:
        return AccountExports(self._connection)

    @property
    def avatars(self) -> Avatars:
        return Avatars(self._connection)

    @property
    def personal_tokens(self) -> PersonalTokens:
        return PersonalTokens(self._connection)

    @property
    def follows(self) -> Follows:
        return Follows(self._connection)

    @property
    def audit(self) -> AuditLog:
        return AuditLog(self._connection)

    @property
    def moderators(self) -> ListedPeople:
        return ListedPeople(self._connection, stream_moderators)

    @property
    def vips(self) -> ListedPeople:
        return ListedPeople(self._connection, stream_vips)

    @property
    def moderation_log(self) -> ModerationLog:
        return ModerationLog(self._connection)

    @property
    def viewers(self) -> ListedPeople:
        return ListedPeople(self._connection, stream_viewers)

    @property
    def mail_links(self) -> MailLinks:
        return MailLinks(self._connection)

    @property
    def streams(self) -> StreamCatalogue:
        return StreamCatalogue(self._connection)

    @property
    def stream_lists(self) -> StreamLists:
        return StreamLists(self._connection)

    @property
    def categories(self) -> CategoryList:
        return CategoryList(self._connection)

    @property
    def broadcasts(self) -> BroadcastArchive:
        return BroadcastArchive(self._connection)

    @property
    def clips(self) -> ClipList:
        return ClipList(self._connection)

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
        self.database = database_of(settings)
        self.passwords = Passwords()
        self.tokens = AccessTokens(self.signing_keys, settings.token_issuer, time.time)
        self.limits = RateLimits(self.cache)
        self.presence = Presence(self.cache)
        self.media_signer = MediaSigner(self.playback_keys, settings.cdn_url, time.time)
        self.tickets = ChatTickets(settings.cache_url)
        self.rooms = ChatRooms(settings.cache_url)
        self.oauth_flows = OauthFlows(settings.cache_url)
        self._openid_providers: dict[str, OpenIdProvider] = {}
        self.representations = Representations(settings.cdn_url, settings.ws_url)

    @functools.cached_property
    def hot_state(self) -> Broadcasts:
        # PynamoDB and botocore cost 0.15 s to import, and most requests do not need them.
        from headwater.adapters.outbox import Outbox
        from headwater.adapters.stream_controls import StreamControls

        settings = self.settings
        return Broadcasts(StreamControls(settings.stream_table), Outbox(settings.event_bus, settings.pulse_queue_url))

    @functools.cached_property
    def ingest_doors(self) -> IngestDoors:
        settings = self.settings
        if not settings.ingest_nodes_at_most:
            return AlwaysOpen(settings.rtmp_servers)
        from headwater.adapters.ingest_fleet_store import IngestFleetStore
        from headwater.adapters.ingest_wanted import IngestWantedNews

        limits = FleetLimits(
            nodes=settings.ingest_nodes_at_most,
            publishers_per_node=settings.ingest_publishers_per_node,
            wishes_per_owner=settings.broadcasts_per_user,
            wish_ms=settings.ingest_wish_seconds * 1000,
        )
        wanted = IngestWantedNews(settings.event_bus)
        return OnDemand(IngestFleetStore(settings.stream_table), limits, wanted.tell, unix_ms)

    @functools.cached_property
    def account_mail(self) -> MessageQueue:
        from headwater.adapters.queues import MessageQueue

        return MessageQueue(self.settings.account_mail_queue_url)

    @functools.cached_property
    def account_data(self) -> MessageQueue:
        from headwater.adapters.queues import MessageQueue

        return MessageQueue(self.settings.account_data_queue_url)

    @functools.cached_property
    def upload_forms(self) -> Presigned:
        from headwater.adapters.presigned import Presigned

        return Presigned(self.settings.upload_bucket)

    @functools.cached_property
    def emotes(self) -> RoomEmotes:
        from headwater.adapters.room_emotes import RoomEmotes

        return RoomEmotes(self.settings.room_table)

    @functools.cached_property
    def answered_requests(self) -> AnsweredRequests:
        from headwater.adapters.answered_requests import AnsweredRequests

        return AnsweredRequests(self.settings.idempotency_table, self.stream_key_secret)

    @functools.cached_property
    def sockets(self) -> SignedInSockets:
        # Needed where a session ends, which is seldom, and dear to import like the hot state.
        from headwater.adapters.chat_connections import ChatConnections
        from headwater.adapters.chat_seats import ChatSeats
        from headwater.adapters.connection_posts import signed_posts
        from headwater.adapters.signed_in_sockets import SignedInSockets

        settings = self.settings
        connections = ChatConnections(settings.connection_table, ChatSeats(settings.cache_url))
        return SignedInSockets(self.tickets, connections, lambda: signed_posts(settings.chat_callback_url))

    @functools.cached_property
    def chat_delivery(self) -> ChatDeliveryQueue:
        from headwater.adapters.chat_delivery_queue import ChatDeliveryQueue
        from headwater.adapters.chat_rounds import ChatRounds

        return ChatDeliveryQueue(self.settings.chat_delivery_queue_url, ChatRounds(self.settings.cache_url))

    @functools.cached_property
    def chat_standings(self) -> ChatStandings:
        from headwater.adapters.chat_standings import ChatStandings

        return ChatStandings(self.settings.cache_url, self.settings.room_table)

    @functools.cached_property
    def room_rules(self) -> RoomRulesStore:
        from headwater.adapters.room_rules import RoomRulesStore

        return RoomRulesStore(self.settings.room_table)

    @functools.cached_property
    def held_messages(self) -> HeldMessages:
        from headwater.adapters.held_messages import HeldMessages

        return HeldMessages(self.settings.room_table)

    @functools.cached_property
    def moderation(self) -> ChatModeration:
        from headwater.adapters.chat_connections import ChatConnections
        from headwater.adapters.chat_moderations import ChatModerations
        from headwater.adapters.chat_seats import ChatSeats
        from headwater.adapters.chat_streams import ChatStreams
        from headwater.adapters.queues import MessageQueue
        from headwater.adapters.stream_controls import StreamControls
        from headwater.chat_moderation import ChatModeration

        settings = self.settings
        return ChatModeration(
            # As it is now: here, nobody sends a hundred commands a second.
            ChatStreams(StreamControls(settings.stream_table), self.room_rules, kept_seconds=0),
            self.chat_standings,
            self.room_rules,
            self.held_messages,
            ChatModerations(settings.cache_url),
            self.rooms,
            ChatConnections(settings.connection_table, ChatSeats(settings.cache_url)),
            self.chat_delivery,
            MessageQueue(settings.chat_archive_queue_url),
        )

    @functools.cached_property
    def room_audience(self) -> RoomAudience:
        return RoomAudience(self.rooms, lambda: self.chat_delivery, lambda: self.audience_watch)

    @functools.cached_property
    def audience_watch(self) -> AudienceWatch:
        from headwater.adapters.audience_watch import AudienceWatch
        from headwater.adapters.queues import MessageQueue

        settings = self.settings
        return AudienceWatch(lambda: cache_client(settings.cache_url), MessageQueue(settings.chat_status_queue_url))

    @functools.cached_property
    def sign_in_providers(self) -> Mapping[str, SignInProvider]:
        """By their names, in the order of the configuration."""
        return {each.name: each for each in self.settings.sign_in_providers}

    def openid_provider(self, provider: SignInProvider) -> OpenIdProvider:
        # Authlib and an HTTP client cost half a second to import, and only who signs in elsewhere needs them.
        from headwater.adapters.openid_provider import OpenIdProvider

        settings = self.settings

        def client_secret() -> str | None:
            if not settings.oauth_clients_secret:
                return None
            held = secret(settings.oauth_clients_secret).get(provider.name)
            return None if held is None else str(held)

        callback = f"{settings.api_url}/v1/auth/oauth/{provider.name}/callback"
        # Kept: it remembers the provider's addresses and keys.
        return self._openid_providers.setdefault(provider.name, OpenIdProvider(provider, client_secret, callback))

    @functools.cached_property
    def timelines(self) -> Timelines:
        from headwater.adapters.timelines import Timelines

        return Timelines(self.settings.segment_table, self.settings.lease_table)

    @functools.cached_property
    def media_store(self) -> Bucket:
        from headwater.adapters.bucket import Bucket

        return Bucket(self.settings.media_bucket)

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

    def playback_keys(self) -> tuple[SigningKey, ...]:
        return decode_keys(secret(self.settings.playback_keys_secret))

    def signing_keys(self) -> tuple[SigningKey, ...]:
        return decode_keys(secret(self.settings.token_keys_secret))

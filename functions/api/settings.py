"""Stage 7 · what the REST API reads from its environment. Docs: docs/architecture.md."""

from __future__ import annotations

import msgspec

from headwater.domain.sign_in_providers import SignInProvider, configured_provider
from headwater.settings import DatabaseSettings, SettingsError, comma_separated


class _ConfiguredProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    client_id: str
    issuer: str | None = None
    label: str | None = None


class ApiSettings(DatabaseSettings, frozen=True, kw_only=True):
    stream_key_secret: str
    token_keys_secret: str
    playback_keys_secret: str
    token_issuer: str
    stream_table: str
    lease_table: str
    segment_table: str
    media_bucket: str
    idempotency_table: str
    event_bus: str
    pulse_queue_url: str
    connection_table: str
    room_table: str
    chat_delivery_queue_url: str
    chat_archive_queue_url: str
    chat_status_queue_url: str
    chat_callback_url: str
    account_mail_queue_url: str
    cache_url: str
    upload_bucket: str
    account_data_queue_url: str
    cdn_url: str
    ws_url: str
    rtmp_urls: str = ""
    api_url: str
    web_url: str
    oauth_providers: str = "[]"  # JSON: [{"name", "client_id", "issuer", "label"}, …]; docs/oauth.md
    oauth_clients_secret: str = ""  # JSON: {name: client secret}
    ingest_nodes_at_most: int = 0  # on demand; 0 where they always run, and RTMP_URLS names them
    ingest_publishers_per_node: int = 12
    ingest_wish_seconds: int = 900
    streams_per_user: int = 100
    broadcasts_per_user: int = 10  # on the air at once
    registrations_per_minute: int = 5  # of one address
    logins_per_minute: int = 10  # of one address, and on one account; every check of a password or a link counts
    clips_per_minute: int = 10  # of one user
    playback_sessions_per_minute: int = 120  # of one address, and of one user
    mails_per_hour: int = 5  # that somebody can have sent to one address

    @property
    def rtmp_servers(self) -> list[str]:
        return list(comma_separated(self.rtmp_urls))

    @property
    def sign_in_providers(self) -> list[SignInProvider]:
        """Raises SettingsError for providers that cannot be trusted, or told apart."""
        try:
            configured = msgspec.json.decode(self.oauth_providers, type=list[_ConfiguredProvider])
            found = [configured_provider(each.name, each.client_id, each.issuer, each.label) for each in configured]
        except (msgspec.DecodeError, ValueError) as error:
            raise SettingsError(f"OAUTH_PROVIDERS: {error}") from None
        if len({each.name for each in found}) < len(found) or len({each.issuer for each in found}) < len(found):
            raise SettingsError("OAUTH_PROVIDERS: two providers have the same name or issuer")
        return found

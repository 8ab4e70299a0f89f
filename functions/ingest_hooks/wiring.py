"""Stage 2 · joins the use cases to DynamoDB, EventBridge, SQS and Secrets Manager, at the first call."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from functions.ingest_hooks.claim_publish import PublishLimits
from functions.ingest_hooks.settings import Settings
from headwater.adapters.hook_secret_store import hook_secrets
from headwater.adapters.ingest_fleet_store import IngestFleetStore
from headwater.adapters.outbox import Outbox
from headwater.adapters.owner_slots import OwnerSlots
from headwater.adapters.secrets import secret
from headwater.adapters.stream_controls import StreamControls
from headwater.broadcasts import Broadcasts
from headwater.settings import load_settings


@cache
def settings() -> Settings:
    return load_settings(Settings)


@cache
def broadcasts() -> Broadcasts:
    names = settings()
    return Broadcasts(StreamControls(names.stream_table), Outbox(names.event_bus, names.pulse_queue_url))


@cache
def owner_slots() -> OwnerSlots:
    return OwnerSlots(settings().stream_table)


@cache
def fleets() -> IngestFleetStore:
    return IngestFleetStore(settings().stream_table)


def limits() -> PublishLimits:
    return PublishLimits(settings().broadcasts_per_user, settings().longest_broadcast_seconds * 1000)


class SecretsManagerSecrets:
    """Both, at most a minute old."""

    def hook_secrets(self, now: int) -> Collection[bytes]:
        """All that a hook may be signed with at `now` (Unix ms)."""
        return hook_secrets(secret(settings().hook_secret)).accepted(now // 1000)

    def stream_key_secret(self) -> bytes:
        return str(secret(settings().stream_key_secret)["secret"]).encode()


def forget() -> None:
    """Join everything anew at the next call. For tests."""
    settings.cache_clear()
    broadcasts.cache_clear()
    owner_slots.cache_clear()
    fleets.cache_clear()

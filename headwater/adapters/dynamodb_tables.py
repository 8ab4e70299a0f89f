"""Stages 2–4 · the DynamoDB tables of the control plane, as PynamoDB models, and how long we wait for them.

Table names belong to the deployment, so each model is bound to its name when an adapter is made; nothing is read at
import. Attribute names are those of docs/architecture.md.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PynamoDBException, UpdateError
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from headwater.adapters import aws
from headwater.errors import DependencyUnavailable

if TYPE_CHECKING:
    from pynamodb.connection.base import Connection
    from pynamodb.expressions.condition import Condition
    from pynamodb.expressions.update import Action

CONDITION_FAILED = "ConditionalCheckFailedException"
TRANSACTION_CONFLICT = "TransactionConflictException"  # the item is part of a transaction that is under way
CONFLICT_ATTEMPTS = 8


class Patience:
    """How long to wait for DynamoDB (it answers within milliseconds, or it is not well), and how often to ask again."""

    connect_timeout_seconds = 1
    read_timeout_seconds = 3
    max_retry_attempts = 2


class UnsettledIndex(GlobalSecondaryIndex["StreamItem"]):  # type: ignore[no-untyped-call] # PynamoDB's own gap
    """Streams that need attention. Keys only: a write of a stream that stays unsettled does not touch the index."""

    class Meta:
        index_name = "unsettled"
        projection = KeysOnlyProjection()

    unsettled = UnicodeAttribute(hash_key=True)
    stream_id = UnicodeAttribute(range_key=True)


class StreamItem(Model):
    stream_id = UnicodeAttribute(hash_key=True)
    control = UnicodeAttribute()
    version = NumberAttribute()
    write_token = UnicodeAttribute(null=True)  # random, of the write that made this version
    unsettled = UnicodeAttribute(null=True)
    unsettled_index = UnsettledIndex()


class OwnerItem(Model):
    """In the table of the streams, too: what the hot state knows of an owner."""

    stream_id = UnicodeAttribute(hash_key=True)  # `@owner <user id>`, which is no stream's
    slots = UnicodeAttribute()  # JSON: stream id → Unix ms
    version = NumberAttribute()


class FleetItem(Model):
    """In the table of the streams, too: the ingest nodes of a deployment that has them on demand."""

    stream_id = UnicodeAttribute(hash_key=True)  # `@ingest`
    fleet = UnicodeAttribute()  # JSON of IngestFleet
    version = NumberAttribute()
    write_token = UnicodeAttribute()  # random, of the write that made this version


class LeaseItem(Model):
    broadcast_id = UnicodeAttribute(hash_key=True)
    state = UnicodeAttribute()
    generation = NumberAttribute()
    holder = UnicodeAttribute(null=True)
    beats = NumberAttribute()
    judged_beats = NumberAttribute()
    judged_at = NumberAttribute()
    task_id = UnicodeAttribute(null=True)
    deaths = NumberAttribute(default=0)
    dying_since = NumberAttribute(default=0)
    claimed = BooleanAttribute(null=True)
    leaving = BooleanAttribute(null=True)
    handing_over = NumberAttribute(null=True)
    expires_at = NumberAttribute()  # Unix seconds; DynamoDB's TTL


class WarmPoolItem(Model):
    """In the table of the leases, too: the workers that wait for a broadcast."""

    broadcast_id = UnicodeAttribute(hash_key=True)  # `@warm`, which is no broadcast's
    workers = UnicodeAttribute()  # JSON: headwater.domain.warm_pool.WarmWorker, each
    version = NumberAttribute()


class WarmWorkerItem(Model):
    """Likewise: what one of them says, and is told."""

    broadcast_id = UnicodeAttribute(hash_key=True)  # `@warm <worker id>`
    state = UnicodeAttribute()
    beats = NumberAttribute(default=0)
    job = UnicodeAttribute(null=True)  # JSON: headwater.contracts.TranscodeJob
    expires_at = NumberAttribute()  # Unix seconds; DynamoDB's TTL


class TimelineItem(Model):
    broadcast_id = UnicodeAttribute(hash_key=True)
    position = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()


def refusal_code(error: PynamoDBException) -> str | None:
    """Why DynamoDB refused; None when it did not answer at all, where PynamoDB's own `cause_response_code` fails."""
    answer = getattr(error.cause, "response", None) or {}
    code: str | None = answer.get("Error", {}).get("Code")
    return code


M = TypeVar("M", bound=Model)


def ready(bound: type[M]) -> type[M]:
    """A model that was just bound to its table, with the process's session behind it."""
    aws.share_session(connection_of(bound))
    return bound


def connection_of(bound: type[Model]) -> Connection:
    """What a model's requests go through: a transaction over the same one finds its client made, and connected."""
    return bound._get_connection().connection


@functools.cache
def stream_items(name: str) -> type[StreamItem]:
    class Bound(StreamItem):
        class Meta(Patience):
            table_name = name

    return ready(Bound)


@functools.cache
def owner_items(name: str) -> type[OwnerItem]:
    class Bound(OwnerItem):
        class Meta(Patience):
            table_name = name

    return ready(Bound)


@functools.cache
def fleet_items(name: str) -> type[FleetItem]:
    class Bound(FleetItem):
        class Meta(Patience):
            table_name = name

    return ready(Bound)


@functools.cache
def lease_items(name: str) -> type[LeaseItem]:
    class Bound(LeaseItem):
        class Meta(Patience):
            table_name = name

    return ready(Bound)


@functools.cache
def warm_pool_items(name: str) -> type[WarmPoolItem]:
    class Bound(WarmPoolItem):
        class Meta(Patience):
            table_name = name

    return ready(Bound)


@functools.cache
def warm_worker_items(name: str) -> type[WarmWorkerItem]:
    class Bound(WarmWorkerItem):
        class Meta(Patience):
            table_name = name

    return ready(Bound)


@functools.cache
def timeline_items(name: str) -> type[TimelineItem]:
    class Bound(TimelineItem):
        class Meta(Patience):
            table_name = name

    return ready(Bound)


def forget_connections() -> None:
    """Bind every table anew at its next use. For tests."""
    bindings = stream_items, owner_items, fleet_items, lease_items, warm_pool_items, warm_worker_items, timeline_items
    for bind in bindings:
        bind.cache_clear()


def update_where(item: Model, actions: Sequence[Action], condition: Condition) -> bool:
    """Update `item` on that condition; False when it does not hold. Raises DependencyUnavailable."""
    with unavailable_when_failing():
        for attempt in range(CONFLICT_ATTEMPTS):
            try:
                item.update(actions=list(actions), condition=condition)
            except UpdateError as error:
                if refusal_code(error) == CONDITION_FAILED:
                    return False
                if refusal_code(error) != TRANSACTION_CONFLICT or attempt == CONFLICT_ATTEMPTS - 1:
                    raise
                wait_for_transaction()
            else:
                return True
    raise DependencyUnavailable


def wait_for_transaction() -> None:
    """A transaction that writes the same item is over in milliseconds."""
    time.sleep(random.uniform(0.002, 0.02))  # noqa: S311 - no secret


@contextmanager
def unavailable_when_failing() -> Iterator[None]:
    """Every failure of DynamoDB that the code inside did not expect becomes DependencyUnavailable."""
    from botocore.exceptions import BotoCoreError

    try:
        yield
    except (PynamoDBException, BotoCoreError) as error:
        raise DependencyUnavailable from error

"""Stage 1 · ingest on demand: the fleet in DynamoDB, one item in the table of the streams' hot state.

One item, because a wish and the node made for it must come about together. What writes it is people who ask, an
announcement of each node every ten seconds, and the function that starts and stops nodes.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable

import msgspec
from pynamodb.exceptions import DoesNotExist, PutError

from headwater.adapters.dynamodb_tables import (
    CONDITION_FAILED,
    FleetItem,
    fleet_items,
    refusal_code,
    unavailable_when_failing,
)
from headwater.domain.ingest_fleet import IngestFleet
from headwater.errors import StateContended

KEY = "@ingest"  # no stream's id
ATTEMPTS = 12
FIRST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.1

_decoder = msgspec.json.Decoder(IngestFleet)


class IngestFleetStore:
    """Every method raises DependencyUnavailable when DynamoDB fails."""

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name

    def load(self) -> IngestFleet:
        """As of the last write; empty when nobody ever asked."""
        return self._load()[0]

    def change(self, rule: Callable[[IngestFleet], IngestFleet]) -> IngestFleet:
        """The fleet once `rule` has been applied to it. `rule` is called again whenever somebody else was quicker; what it
        raises leaves everything as it was. Raises StateContended after many lost races."""
        for attempt in range(ATTEMPTS):
            if attempt:
                longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt)
                time.sleep(random.uniform(0, longest))  # noqa: S311 - no secret
            before, version = self._load()
            after = rule(before)
            if after == before or self._commit(after, version):
                return after
        raise StateContended

    def _load(self) -> tuple[IngestFleet, int]:
        with unavailable_when_failing():
            try:
                item = fleet_items(self._table_name).get(KEY, consistent_read=True)
            except DoesNotExist:
                return IngestFleet(), 0
        return _decoder.decode(item.fleet), int(item.version)

    def _commit(self, fleet: IngestFleet, expected_version: int) -> bool:
        """False when somebody else was quicker; our own write whose answer was lost is recognised."""
        write_token = secrets.token_hex(8)
        items = fleet_items(self._table_name)
        written = items(
            stream_id=KEY,
            fleet=msgspec.json.encode(fleet).decode(),
            version=expected_version + 1,
            write_token=write_token,
        )
        absent = FleetItem.stream_id.does_not_exist()
        with unavailable_when_failing():
            try:
                written.save(condition=FleetItem.version == expected_version if expected_version else absent)
            except PutError as error:
                if refusal_code(error) != CONDITION_FAILED:
                    raise
                return bool(items.get(KEY, consistent_read=True).write_token == write_token)
        return True

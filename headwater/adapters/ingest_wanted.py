"""Stage 7 → 1 · ingest on demand: tells that a node is wanted, so that it is started now and not with the next minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from headwater.adapters import aws
from headwater.contracts import INGEST_EVENT_SOURCE, INGEST_WANTED, IngestWanted, encode
from headwater.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient


class IngestWantedNews:
    def __init__(self, event_bus: str) -> None:
        self._event_bus = event_bus

    def tell(self) -> None:
        """Raises DependencyUnavailable."""
        events: EventBridgeClient = aws.client("events")
        try:
            answer = events.put_events(
                Entries=[
                    {
                        "EventBusName": self._event_bus,
                        "Source": INGEST_EVENT_SOURCE,
                        "DetailType": INGEST_WANTED,
                        "Detail": encode(IngestWanted()),
                    }
                ]
            )
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable from error
        if answer["FailedEntryCount"]:
            raise DependencyUnavailable

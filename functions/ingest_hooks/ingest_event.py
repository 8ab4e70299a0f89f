"""Stage 2 · what a media server tells us, whichever server it is, and what it can be answered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from headwater.domain.ids import BroadcastId


class IngestCall(StrEnum):
    PUBLISH = "publish"  # may this encoder publish?
    UPDATE = "update"  # it still is; may it go on?
    DONE = "done"  # it is gone
    NEUTRAL = "neutral"  # something that needs no decision of ours: a player's heartbeat, for instance


@dataclass(frozen=True, slots=True)
class IngestEvent:
    """One hook. `key` is what the publisher gave as stream key: anything at all, and secret when it is right."""

    call: IngestCall
    node: str
    client_id: str  # connection on that node
    key: str
    occurred_at: int  # Unix ms, the node's clock
    pull_base: str  # http://host:port/folder
    age_seconds: int | None = None  # update: since the node opened the session

    def __repr__(self) -> str:
        return f"IngestEvent({self.call}, node={self.node}, client_id={self.client_id}, occurred_at={self.occurred_at})"


@dataclass(frozen=True, slots=True)
class PublishAccepted:
    """The encoder publishes under `stream_name` from now on, from which its key cannot be found."""

    stream_name: str
    broadcast_id: BroadcastId


class Verdict(StrEnum):
    GO_ON = "go_on"
    DROP = "drop"  # the server must close this connection

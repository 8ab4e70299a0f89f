"""Stage 7 · how a room is delivered: in shards of so many connections, each of which gets a frame so often. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from headwater.domain.chat import RoomEvent
from headwater.domain.ids import ConnectionId, StreamId

SHARD_CONNECTIONS = 1000  # what one run posts to in a fraction of a second

# The least time between two frames to a connection, in milliseconds, by how many are in the room. The first frame after
# a pause goes at once. Posts are what chat costs, and API Gateway allows an account 10,000 requests a second.
PACES_MS: Mapping[int, int] = {500: 250, 5_000: 1_000}
SLOWEST_PACE_MS = 2_000  # in rooms that are larger still
FIGURES_MS = 1_000  # the least time between two tellings of reactions and viewers


@dataclass(frozen=True, slots=True)
class Shard:
    """Some of a room's connections: those that are delivered to by one run at a time."""

    stream_id: StreamId
    number: int = 0


@dataclass(frozen=True, slots=True)
class Seat:
    """A connection in its shard. What is numbered up to `joined_seq` it was sent when it joined."""

    connection_id: ConnectionId
    joined_seq: int
    moderates: bool = False


@dataclass(frozen=True, slots=True)
class Seats:
    """Everybody in a shard; `version` is another whenever they are others."""

    version: str = ""
    all: Sequence[Seat] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """How far a run has come, by the numbers of events. None: as far as the one before it."""

    sent: int | None = None  # up to here, all connections of the shard have everything, or are gone
    taken: int | None = None  # up to here, it is on its way


@dataclass(frozen=True, slots=True)
class Figures:
    """What has come together since the last telling. None: no news."""

    reactions: Mapping[str, int]
    viewers: int | None = None
    waiting: int | None = None  # messages for review, for moderators alone


@dataclass(frozen=True, slots=True)
class Round:
    """One frame, or as many as it takes, for everybody in a shard, now."""

    seats: Seats
    events: Sequence[RoomEvent]
    figures: Figures | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """There is something, but its time has not come."""

    seconds: float


class Nothing:
    """Nothing is left to be sent."""


class Unseated:
    """The cache does not know who sits in the shard: restore it from DynamoDB."""


class Intent(StrEnum):
    """What a run that finds nothing will do: a shard that is being looked at needs no hint."""

    STAY = "stay"  # look again
    LEAVE = "leave"
    REST = "rest"  # leave, whatever there is: no round begins


Taken = Round | Wait | Nothing | Unseated

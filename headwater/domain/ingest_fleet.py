"""Stage 1 · ingest on demand: which nodes there are, who wants to publish, and what follows from both. Pure.

A **wish** is a streamer who asked for an address; it holds for a while after it was last asked for, and for as long as the
stream is on the air. Every wish is given a node at once: one that runs and has room, one that is about to run, or a new one.
A **node** is known from the wish that it was made for until nothing of it can be left; it is `starting` until it announces
itself, and from then on as alive as its last announcement is young.

All of it is one value, committed on condition of its version: of many who ask in the same moment one adds the node, and
the others find it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from headwater.domain.ids import StreamId, UserId

SILENT_MS = 45_000  # four announcements were missed: nobody is led there any more
START_MS = 180_000  # Fargate takes 20–40 s, a slow pull of the image a minute more
# Silent for so long, a node is taken for dead and stopped. Not sooner: it may be our hooks that fail, and publishers that
# it has are better off with it.
DEAD_MS = 600_000
# A node keeps the image and the secret it was started with, and the secret is accepted for 31 days (hook_secrets.py): from
# this age on, nobody is led there any more, and it goes when its last publisher has.
OLD_MS = 14 * 24 * 3600 * 1000
NEW_MS = 60_000  # so long a task that was asked for may be missing from ECS's list


class IngestState(StrEnum):
    """What a streamer is told."""

    OPEN = "open"
    STARTING = "starting"
    CLOSED = "closed"


class AskRefusal(StrEnum):
    FULL = "full"  # every node that there may be has as many publishers as it takes
    OWNER_HAS_MANY = "owner_has_many"


@dataclass(frozen=True, slots=True)
class FleetLimits:
    nodes: int  # at most, those that are on their way out aside
    publishers_per_node: int
    wishes_per_owner: int
    wish_ms: int


@dataclass(frozen=True, slots=True)
class FleetNode:
    node_id: str  # given by who asked for it; hooks come from `<node id>-<hex digits of its run>`
    asked_at: int
    task_id: str | None = None  # of ECS, once it has answered
    address: str | None = None  # host:port, for encoders; the first that was announced stays
    publishers: int = 0
    heard_at: int | None = None  # by our clock
    said_at: int = 0  # by its clock, for announcements that overtake each other or are repeated
    leaving: bool = False  # told to stop, or stopping of itself: nobody is led there, and it never comes back

    def is_usable(self, now: int) -> bool:
        """Whether somebody may be led there, now or in a moment."""
        if self.leaving or now - self.asked_at >= OLD_MS:
            return False
        return now - self.asked_at < START_MS if self.heard_at is None else now - self.heard_at < SILENT_MS

    def is_open(self, now: int) -> bool:
        return self.address is not None and self.is_usable(now)


@dataclass(frozen=True, slots=True)
class Wish:
    owner_id: UserId
    until: int
    node_id: str | None  # None: there is no room, but somebody on the air waits for some


@dataclass(frozen=True, slots=True)
class IngestFleet:
    nodes: tuple[FleetNode, ...] = ()  # oldest first
    wishes: Mapping[StreamId, Wish] = field(default_factory=dict)

    def node(self, node_id: str | None) -> FleetNode | None:
        return next((node for node in self.nodes if node.node_id == node_id), None)

    def load(self, node: FleetNode) -> int:
        """How many publish there or may begin to at any moment."""
        return max(node.publishers, sum(wish.node_id == node.node_id for wish in self.wishes.values()))

    @property
    def waits_for_tasks(self) -> bool:
        """Whether somebody has to start something."""
        return any(node.task_id is None and not node.leaving for node in self.nodes)


@dataclass(frozen=True, slots=True)
class OnTheAir:
    owner_id: UserId
    node_id: str | None  # where it is published to, as far as anybody does


@dataclass(frozen=True, slots=True)
class Settled:
    """What is to be done once `fleet` is committed; all of it may be done twice."""

    fleet: IngestFleet
    to_start: tuple[str, ...] = ()  # node ids
    to_stop: tuple[str, ...] = ()  # task ids
    never_came: tuple[str, ...] = ()  # node ids


def look(fleet: IngestFleet, stream_id: StreamId, now: int) -> tuple[IngestState, str | None]:
    """What to tell the stream's owner, and where to publish (host:port) when it is open."""
    wish = fleet.wishes.get(stream_id)
    if wish is None or wish.until <= now:
        return IngestState.CLOSED, None
    node = fleet.node(wish.node_id)
    if node is not None and node.is_open(now):
        return IngestState.OPEN, node.address
    return IngestState.STARTING, None


def ask(
    fleet: IngestFleet, stream_id: StreamId, owner_id: UserId, now: int, limits: FleetLimits, new_id: Callable[[], str]
) -> IngestFleet | AskRefusal:
    """The fleet once `stream_id` wants to publish, for as long as a wish holds from now on."""
    fleet = _without_expired(fleet, now)
    wish = fleet.wishes.get(stream_id)
    if wish is None:
        others = sum(each.owner_id == owner_id for each in fleet.wishes.values())
        if others >= limits.wishes_per_owner:
            return AskRefusal.OWNER_HAS_MANY
    fleet = _wishing(fleet, stream_id, Wish(owner_id, now + limits.wish_ms, None if wish is None else wish.node_id))
    fleet = _led(fleet, stream_id, now, limits, new_id)
    return AskRefusal.FULL if fleet.wishes[stream_id].node_id is None else fleet


def announce(
    fleet: IngestFleet, node_id: str, *, address: str, publishers: int, leaving: bool, said_at: int, now: int
) -> IngestFleet:
    """A node says that it is there. One that nobody knows (any more) changes nothing; it is stopped as an orphan."""
    node = fleet.node(node_id)
    if node is None or said_at <= node.said_at:
        return fleet
    heard = replace(
        node,
        address=node.address or address,
        publishers=publishers,
        heard_at=now,
        said_at=said_at,
        leaving=node.leaving or leaving,
    )
    return _with_node(fleet, heard)


def started(fleet: IngestFleet, node_id: str, task_id: str) -> IngestFleet:
    node = fleet.node(node_id)
    return fleet if node is None else _with_node(fleet, replace(node, task_id=task_id))


def settle(
    fleet: IngestFleet,
    on_the_air: Mapping[StreamId, OnTheAir],
    tasks: Mapping[str, str],
    now: int,
    limits: FleetLimits,
    new_id: Callable[[], str],
) -> Settled:
    """Everything that follows from the time alone, and from what is on the air and what runs (`tasks`: node ids by the ids of
    tasks that have not been told to stop, as ECS listed them before `fleet` was read)."""
    fleet = _without_expired(_renewed(fleet, on_the_air, now, limits), now)
    running = {node_id: task_id for task_id, node_id in tasks.items()}
    known = [replace(node, task_id=node.task_id or running.get(node.node_id)) for node in fleet.nodes]
    here = [node for node in known if not _is_gone(node, running, now)]
    never_came = tuple(
        node.node_id
        for node in known
        if node.heard_at is None and not node.leaving and (node not in here or not node.is_usable(now))
    )
    fleet = replace(fleet, nodes=tuple(replace(node, leaving=True) if _is_lost(node, now) else node for node in here))
    for stream_id in tuple(fleet.wishes):
        fleet = _led(fleet, stream_id, now, limits, new_id)
    published_to = {broadcast.node_id for broadcast in on_the_air.values()}
    idle = {node.node_id for node in fleet.nodes if not fleet.load(node)} - published_to
    fleet = replace(
        fleet, nodes=tuple(replace(node, leaving=node.leaving or node.node_id in idle) for node in fleet.nodes)
    )
    staying = {node.node_id for node in fleet.nodes if not node.leaving}
    return Settled(
        fleet,
        to_start=tuple(node.node_id for node in fleet.nodes if node.node_id in staying and node.task_id is None),
        to_stop=tuple(task_id for task_id, node_id in tasks.items() if node_id not in staying),
        never_came=never_came,
    )


def _renewed(fleet: IngestFleet, on_the_air: Mapping[StreamId, OnTheAir], now: int, limits: FleetLimits) -> IngestFleet:
    """A stream on the air wants its node, also in a gap in which its encoder reconnects, and whether or not it has asked."""
    for stream_id, broadcast in on_the_air.items():
        wish = fleet.wishes.get(stream_id)
        node = fleet.node(broadcast.node_id)
        node_id = None if wish is None else wish.node_id
        if node is not None and node.is_usable(now):
            node_id = node.node_id
        if wish is not None or node_id is not None:
            fleet = _wishing(fleet, stream_id, Wish(broadcast.owner_id, now + limits.wish_ms, node_id))
    return fleet


def _led(
    fleet: IngestFleet, stream_id: StreamId, now: int, limits: FleetLimits, new_id: Callable[[], str]
) -> IngestFleet:
    """With the wish of `stream_id` at a node that can be used: the one it has, else the fullest that has room, open ones
    first, so that the others become empty; else a new one, if there may be one."""
    wish = fleet.wishes[stream_id]
    node = fleet.node(wish.node_id)
    if node is not None and node.is_usable(now):
        return fleet
    usable = [each for each in fleet.nodes if each.is_usable(now)]
    with_room = [each for each in usable if fleet.load(each) < limits.publishers_per_node]
    if with_room:
        best = max(with_room, key=lambda each: (each.is_open(now), fleet.load(each)))
        return _wishing(fleet, stream_id, replace(wish, node_id=best.node_id))
    if len(usable) >= limits.nodes:
        return _wishing(fleet, stream_id, replace(wish, node_id=None))
    made = FleetNode(new_id(), asked_at=now)
    return _wishing(replace(fleet, nodes=(*fleet.nodes, made)), stream_id, replace(wish, node_id=made.node_id))


def _is_lost(node: FleetNode, now: int) -> bool:
    if node.heard_at is None:
        return not node.is_usable(now)
    return now - node.heard_at >= DEAD_MS


def _is_gone(node: FleetNode, running: Mapping[str, str], now: int) -> bool:
    """Whether nothing of it can be left: ECS has no such task that is to run, and nobody hears of it."""
    if node.node_id in running:
        return False
    if node.heard_at is not None:
        return now - node.heard_at >= SILENT_MS
    # Of a node that was never started, nothing is left as soon as nobody wants it.
    return node.leaving if node.task_id is None else now - node.asked_at >= NEW_MS


def _without_expired(fleet: IngestFleet, now: int) -> IngestFleet:
    return replace(fleet, wishes={stream: wish for stream, wish in fleet.wishes.items() if wish.until > now})


def _wishing(fleet: IngestFleet, stream_id: StreamId, wish: Wish) -> IngestFleet:
    return replace(fleet, wishes={**fleet.wishes, stream_id: wish})


def _with_node(fleet: IngestFleet, changed: FleetNode) -> IngestFleet:
    nodes: Iterable[FleetNode] = (changed if node.node_id == changed.node_id else node for node in fleet.nodes)
    return replace(fleet, nodes=tuple(nodes))

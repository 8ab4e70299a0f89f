"""Ingest on demand: who is led where, when a node is started, and when one is stopped, whatever is lost or comes twice."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.domain.ids import StreamId, UserId
from headwater.domain.ingest_fleet import (
    DEAD_MS,
    NEW_MS,
    OLD_MS,
    SILENT_MS,
    START_MS,
    AskRefusal,
    FleetLimits,
    IngestFleet,
    IngestState,
    OnTheAir,
    Settled,
    announce,
    ask,
    look,
    settle,
    started,
)
from tests.factories import NOW

TICK_MS = 60_000
LIMITS = FleetLimits(nodes=2, publishers_per_node=2, wishes_per_owner=3, wish_ms=900_000)
ANNA, BERT = UserId("anna"), UserId("bert")
S = [StreamId(f"stream-{number}") for number in range(9)]


@dataclass
class Deployment:
    """The rules with ECS, nodes and a clock around them, all of which may fail."""

    limits: FleetLimits = LIMITS
    fleet: IngestFleet = field(default_factory=IngestFleet)
    now: int = NOW
    tasks: dict[str, str] = field(default_factory=dict)  # node ids, by the ids of tasks that are to run
    on_the_air: dict[StreamId, OnTheAir] = field(default_factory=dict)
    publishers: dict[str, int] = field(default_factory=dict)
    ecs_answers: bool = True
    _ids: count[int] = field(default_factory=lambda: count(1))

    def new_id(self) -> str:
        return f"node{next(self._ids)}"

    def ask(self, stream_id: StreamId, owner: UserId = ANNA) -> AskRefusal | None:
        asked = ask(self.fleet, stream_id, owner, self.now, self.limits, self.new_id)
        if isinstance(asked, AskRefusal):
            return asked
        self.fleet = asked
        return None

    def tick(self) -> Settled:
        done = settle(self.fleet, self.on_the_air, dict(self.tasks), self.now, self.limits, self.new_id)
        self.fleet = done.fleet
        for task_id in done.to_stop:
            del self.tasks[task_id]
        if self.ecs_answers:
            for node_id in done.to_start:
                self.tasks[f"task-of-{node_id}"] = node_id  # the same task, however often: the node's id is the token
                self.fleet = started(self.fleet, node_id, f"task-of-{node_id}")
        return done

    def announce(self, *node_ids: str, leaving: bool = False, said_at: int | None = None, host: str = "") -> None:
        for node_id in node_ids or tuple(self.tasks.values()):
            self.fleet = announce(
                self.fleet,
                node_id,
                address=f"{host or node_id}:1935",
                publishers=self.publishers.get(node_id, 0),
                leaving=leaving,
                said_at=self.now if said_at is None else said_at,
                now=self.now,
            )

    def opened(self, *stream_ids: StreamId) -> None:
        for stream_id in stream_ids:
            assert self.ask(stream_id) is None
        self.tick()
        self.now += 1_000
        self.announce()

    def state(self, stream_id: StreamId) -> tuple[IngestState, str | None]:
        return look(self.fleet, stream_id, self.now)

    def goes_on(self, ms: int, *, announcing: bool = True) -> list[Settled]:
        ticks = []
        for _ in range(ms // 10_000):
            self.now += 10_000
            if announcing:
                self.announce()
            if (self.now - NOW) // TICK_MS != (self.now - 10_000 - NOW) // TICK_MS:
                ticks.append(self.tick())
        return ticks


def test_who_has_not_asked_is_told_closed_and_who_has_is_led_to_the_node_once_it_listens() -> None:
    world = Deployment()
    assert world.state(S[0]) == (IngestState.CLOSED, None)
    assert world.ask(S[0]) is None
    assert world.fleet.waits_for_tasks
    assert world.state(S[0]) == (IngestState.STARTING, None)
    world.tick()
    assert not world.fleet.waits_for_tasks
    assert world.state(S[0]) == (IngestState.STARTING, None)
    world.announce(host="203.0.113.7")
    assert world.state(S[0]) == (IngestState.OPEN, "203.0.113.7:1935")
    assert world.state(S[1]) == (IngestState.CLOSED, None), "an address is told to who has asked"


def test_many_who_ask_at_once_share_a_node_and_the_next_one_is_started_when_it_is_full() -> None:
    world = Deployment()
    for owner, stream_id in ((ANNA, S[0]), (BERT, S[1]), (ANNA, S[0])):
        assert world.ask(stream_id, owner) is None
    assert world.tick().to_start == ("node1",)
    assert world.ask(S[2]) is None
    assert world.tick().to_start == ("node2",)
    assert world.ask(S[3], BERT) is None
    assert world.ask(S[4], BERT) is AskRefusal.FULL
    assert sorted(world.tasks.values()) == ["node1", "node2"]


def test_a_start_that_ecs_did_not_take_is_asked_for_again_by_the_same_name() -> None:
    world = Deployment(ecs_answers=False)
    world.ask(S[0])
    assert world.tick().to_start == world.tick().to_start == ("node1",)
    # It was taken, and the answer lost: the list shows it.
    world.tasks["t"] = "node1"
    assert world.tick().to_start == ()
    assert world.fleet.nodes[0].task_id == "t"


def test_one_owner_cannot_take_every_place() -> None:
    world = Deployment(limits=replace(LIMITS, wishes_per_owner=1))
    assert world.ask(S[0]) is None
    assert world.ask(S[0]) is None, "again is not one more"
    assert world.ask(S[1]) is AskRefusal.OWNER_HAS_MANY
    assert world.ask(S[1], BERT) is None


def test_a_wish_ends_some_time_after_it_was_last_asked_for_and_then_the_node_is_stopped() -> None:
    world = Deployment()
    world.opened(S[0])
    world.goes_on(LIMITS.wish_ms - TICK_MS)
    world.ask(S[0])
    assert world.state(S[0])[0] is IngestState.OPEN
    assert not any(tick.to_stop for tick in world.goes_on(LIMITS.wish_ms - TICK_MS))
    ticks = world.goes_on(3 * TICK_MS)
    assert [task for tick in ticks for task in tick.to_stop] == ["task-of-node1"], "once"
    assert world.state(S[0]) == (IngestState.CLOSED, None)
    world.goes_on(SILENT_MS + TICK_MS)
    assert world.fleet == IngestFleet()


def test_a_stream_on_the_air_keeps_its_node_also_while_its_encoder_reconnects() -> None:
    world = Deployment()
    world.opened(S[0])
    world.on_the_air[S[0]] = OnTheAir(ANNA, "node1")
    world.publishers["node1"] = 1
    world.goes_on(3 * LIMITS.wish_ms)
    world.publishers["node1"] = 0
    world.on_the_air[S[0]] = OnTheAir(ANNA, None)
    world.goes_on(5 * TICK_MS)
    assert world.state(S[0]) == (IngestState.OPEN, "node1:1935")
    assert list(world.tasks.values()) == ["node1"]


def test_a_publisher_who_has_not_asked_keeps_the_node_and_is_told_its_address() -> None:
    world = Deployment()
    world.opened(S[0])
    world.publishers["node1"] = 1
    world.on_the_air[S[1]] = OnTheAir(BERT, "node1")
    world.goes_on(3 * LIMITS.wish_ms)
    assert world.state(S[1]) == (IngestState.OPEN, "node1:1935")
    assert world.state(S[0]) == (IngestState.CLOSED, None)
    # Even where nothing is known of the broadcast, nobody takes a node from under its publishers.
    world.on_the_air.clear()
    world.goes_on(2 * LIMITS.wish_ms)
    assert list(world.tasks.values()) == ["node1"]


def test_who_asks_while_the_node_is_being_stopped_gets_another_one() -> None:
    world = Deployment(limits=replace(LIMITS, nodes=1))
    world.opened(S[0])
    world.now += LIMITS.wish_ms
    world.announce()
    assert world.tick().to_stop == ("task-of-node1",)
    assert world.ask(S[0]) is None
    assert world.state(S[0]) == (IngestState.STARTING, None)
    world.announce("node1")  # it still drains, and says so, or not yet
    assert world.tick().to_start == ("node2",)
    world.announce("node2")
    assert world.state(S[0]) == (IngestState.OPEN, "node2:1935")


def test_a_node_that_leaves_of_itself_is_not_handed_out_and_never_comes_back() -> None:
    world = Deployment()
    world.opened(S[0])
    world.now += 1_000
    world.announce("node1", leaving=True)
    assert world.state(S[0]) == (IngestState.STARTING, None)
    world.now += 1_000
    world.announce("node1")
    assert world.ask(S[1], BERT) is None
    assert world.tick().to_start == ("node2",)
    world.announce("node2")
    assert world.state(S[0]) == world.state(S[1]) == (IngestState.OPEN, "node2:1935")


def test_an_old_node_is_left_to_its_publishers_and_whoever_comes_is_led_to_a_new_one() -> None:
    world = Deployment()
    world.opened(S[0])
    world.on_the_air[S[0]] = OnTheAir(ANNA, "node1")
    world.publishers["node1"] = 1
    world.now = NOW + OLD_MS
    world.announce()
    assert world.tick().to_start == ("node2",)
    assert world.tick().to_stop == (), "one broadcast more may go on there"
    world.publishers["node1"] = 0
    world.on_the_air.clear()
    world.now += 1_000
    world.announce()
    assert world.tick().to_stop == ("task-of-node1",)
    assert world.state(S[0]) == (IngestState.OPEN, "node2:1935")


def test_announcements_that_stop_lead_nobody_there_and_the_wish_gets_another_node() -> None:
    world = Deployment()
    world.opened(S[0])
    world.publishers["node1"] = 1  # as it said last
    world.announce(said_at=world.now + 1)
    world.on_the_air[S[0]] = OnTheAir(ANNA, "node1")
    world.now += SILENT_MS
    assert world.state(S[0]) == (IngestState.STARTING, None)
    assert world.tick().to_start == ("node2",)
    assert list(world.tasks.values()) == ["node1", "node2"], "it may be our hooks that fail: who publishes goes on"
    world.now += DEAD_MS
    world.announce("node2")
    assert world.tick().to_stop == ("task-of-node1",)


def test_a_silence_that_ends_brings_the_wish_back_to_where_the_stream_is_published() -> None:
    world = Deployment()
    world.opened(S[0])
    world.on_the_air[S[0]] = OnTheAir(ANNA, "node1")
    world.publishers["node1"] = 1
    world.now += SILENT_MS
    world.tick()
    world.announce()
    assert world.state(S[0]) == (IngestState.OPEN, "node2:1935")
    assert world.tick().to_stop == ("task-of-node2",)
    assert world.state(S[0]) == (IngestState.OPEN, "node1:1935")


def test_a_task_that_ecs_no_longer_has_is_replaced_without_waiting_for_its_time() -> None:
    world = Deployment()
    world.ask(S[0])
    world.tick()
    world.tasks.clear()  # the image could not be pulled
    world.now += NEW_MS
    done = world.tick()
    assert (done.never_came, done.to_start) == (("node1",), ("node2",))
    world.announce()
    world.tasks.clear()  # its machine is gone
    world.now += SILENT_MS
    done = world.tick()
    assert (done.never_came, done.to_start) == ((), ("node3",))
    assert [node.node_id for node in world.fleet.nodes] == ["node3"]


def test_a_node_that_never_comes_is_stopped_said_once_and_replaced() -> None:
    world = Deployment()
    world.ask(S[0])
    world.tick()
    world.now += START_MS
    done = world.tick()
    assert (done.never_came, done.to_stop, done.to_start) == (("node1",), ("task-of-node1",), ("node2",))
    assert world.tick().never_came == ()


def test_a_task_of_no_known_node_is_stopped() -> None:
    world = Deployment()
    world.tasks["lost"] = "of-another-time"
    world.announce("of-another-time")
    assert world.tick().to_stop == ("lost",)


def test_an_announcement_that_is_repeated_or_late_changes_nothing_and_an_address_is_never_taken_over() -> None:
    world = Deployment()
    world.opened(S[0])
    before = world.fleet
    world.announce("node1", host="198.51.100.1", said_at=world.now)
    world.announce("node1", leaving=True, said_at=world.now - 1)
    assert world.fleet == before
    world.now += 10_000
    world.announce("node1", host="198.51.100.1")
    assert world.state(S[0]) == (IngestState.OPEN, "node1:1935")


@settings(max_examples=150, deadline=None)
@given(st.integers(min_value=0), st.integers(1, 3), st.integers(1, 3))
def test_whatever_happens_there_are_never_too_many_nodes_and_in_the_end_none_is_left(
    seed: int, nodes: int, publishers: int
) -> None:
    chance = random.Random(seed)
    world = Deployment(limits=FleetLimits(nodes, publishers, 9, 300_000))
    for _ in range(120):
        world.now += chance.choice((0, 500, 10_000, 40_000))
        before = world.fleet.nodes
        match chance.randrange(7):
            case 0 | 1:
                world.ask(chance.choice(S), chance.choice((ANNA, BERT)))
            case 2 | 3:
                living = [node for node in world.tasks.values() if chance.random() < 0.8]
                world.announce(*living, leaving=chance.random() < 0.1) if living else None
            case 4:
                world.ecs_answers = chance.random() < 0.7
            case 5 if world.tasks:
                del world.tasks[chance.choice(list(world.tasks))]
            case _:
                wanted = {wish.node_id for wish in world.fleet.wishes.values() if wish.until > world.now}
                usable = {node.node_id for node in world.fleet.nodes if node.is_usable(world.now)}
                stopped = {f"task-of-{node_id}" for node_id in wanted & usable} & set(world.tick().to_stop)
                assert not stopped, "a node that somebody wants"
        if len(world.fleet.nodes) > len(before):  # one that was silent may come back beside its successor
            assert sum(node.is_usable(world.now) for node in world.fleet.nodes) <= nodes
        for node in world.fleet.nodes:
            assert world.fleet.load(node) <= publishers
    # All is well again: whoever wants to publish can, and what nobody wants goes.
    world.ecs_answers = True
    world.goes_on(6 * TICK_MS)
    world.ask(S[0])
    world.goes_on(2 * TICK_MS)
    assert world.state(S[0])[0] is IngestState.OPEN
    world.goes_on(world.limits.wish_ms + 3 * TICK_MS)
    assert (world.fleet, world.tasks) == (IngestFleet(), {})

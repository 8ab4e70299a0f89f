"""The delivery of a shard: when it posts, waits, leaves and lets another run go on. No cache, no network."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator

import msgspec
import pytest

from functions.chat_delivery import deliver_shards
from functions.chat_delivery.deliver_shards import DeliverShards
from functions.chat_delivery.round_frames import RoundFrames
from headwater.domain.chat import RoomEvent
from headwater.domain.chat_rounds import (
    Figures,
    Intent,
    Nothing,
    Position,
    Round,
    Seat,
    Seats,
    Shard,
    Taken,
    Unseated,
    Wait,
)
from headwater.domain.ids import ConnectionId, StreamId
from headwater.errors import DependencyUnavailable
from tests.event_loops import run

ROOM = StreamId("room")
ADA, BEN = ConnectionId("ada"), ConnectionId("ben")
TWO = Seats("1", (Seat(ADA, 0), Seat(BEN, 0)))


def event(seq: int) -> RoomEvent:
    return RoomEvent(seq, f'{{"seq":{seq},"type":"message"}}')


class Script:
    """Rounds as they were written down; what comes after them is asked of `then`."""

    def __init__(self, *taken: Taken, then: Callable[[Intent], Taken] = lambda intent: Nothing()) -> None:
        self.left = list(taken)
        self.then = then
        self.asked: list[tuple[Shard, Position, Intent, str]] = []

    def take(self, shard: Shard, position: Position, intent: Intent, seats: Seats) -> Taken:
        self.asked.append((shard, position, intent, seats.version))
        return self.left.pop(0) if self.left else self.then(intent)


class World:
    """Everybody whom a run speaks to, remembering what it said."""

    def __init__(self) -> None:
        self.frames: defaultdict[ConnectionId, list[str]] = defaultdict(list)
        self.left: list[tuple[ConnectionId, int]] = []
        self.restored: list[StreamId] = []
        self.hinted: list[StreamId] = []
        self.hinted_anew: list[Shard] = []
        self.gone: set[ConnectionId] = set()
        self.held: dict[ConnectionId, asyncio.Event] = {}

    def restore_seats(self, stream_id: StreamId) -> None:
        self.restored.append(stream_id)

    def leave(self, stream_id: StreamId, connection_id: ConnectionId, shard: int) -> None:
        self.left.append((connection_id, shard))

    def close(self, connection_id: ConnectionId) -> None:
        raise AssertionError("nobody is unresponsive here")

    def hint(self, stream_id: StreamId) -> None:
        self.hinted.append(stream_id)

    def hint_anew(self, shard: Shard) -> None:
        self.hinted_anew.append(shard)

    def deliver(self, script: Script, *shards: Shard) -> dict[Shard, BaseException]:
        return run(DeliverShards(script, self, self, Posts(self))(shards or [Shard(ROOM)]))


class Posts:
    def __init__(self, world: World) -> None:
        self.world = world

    async def post(self, connection_id: ConnectionId, frame: str) -> str:
        if connection_id in self.world.held:
            await self.world.held[connection_id].wait()
        if connection_id in self.world.gone:
            return "gone"
        self.world.frames[connection_id].append(frame)
        return "delivered"

    async def close(self, connection_id: ConnectionId) -> bool:
        return True


def seqs(frames: list[str]) -> list[list[int]]:
    return [[each["seq"] for each in msgspec.json.decode(frame)["events"]] for frame in frames]


def test_a_round_is_one_frame_for_each_and_is_confirmed_at_the_next_look() -> None:
    world, script = World(), Script(Round(TWO, [event(1), event(2)]), Round(TWO, [event(3)]))
    assert world.deliver(script) == {}
    assert seqs(world.frames[ADA]) == seqs(world.frames[BEN]) == [[1, 2], [3]]
    assert (
        [each.sent for _, each, _, _ in script.asked] == [each.taken for _, each, _, _ in script.asked] == [None, 2, 3]
    )
    assert [version for *_, version in script.asked] == ["", "1", "1"]


def test_a_run_that_finds_nothing_leaves() -> None:
    script = Script()
    World().deliver(script)
    assert [intent for _, _, intent, _ in script.asked] == [Intent.LEAVE]


def test_what_is_not_yet_due_is_waited_for() -> None:
    world, script = World(), Script(Wait(0.001), Round(TWO, [event(1)]))
    world.deliver(script)
    assert seqs(world.frames[ADA]) == [[1]]


def test_a_run_that_has_worked_long_enough_lets_another_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver_shards, "RUN_SECONDS", 0.0)
    world = World()
    script = Script(then=lambda intent: Wait(0) if intent is Intent.REST else Round(TWO, [event(len(script.asked))]))
    assert world.deliver(script) == {}
    assert world.hinted_anew == [Shard(ROOM)]
    assert script.asked[-1][2] is Intent.REST


def test_a_shard_that_has_nothing_more_goes_on_looking_while_another_is_at_work() -> None:
    busy, quiet = Shard(ROOM, 0), Shard(StreamId("quiet"), 0)
    rounds: Iterator[Taken] = iter([Round(TWO, [event(1)]), *[Wait(0.02)] * 20, Round(TWO, [event(2)])])
    late = Round(Seats("2", (Seat(ConnectionId("cem"), 0),)), [event(9)])
    world = World()

    class Both(Script):
        def take(self, shard: Shard, position: Position, intent: Intent, seats: Seats) -> Taken:
            self.asked.append((shard, position, intent, seats.version))
            if shard == busy:
                return next(rounds, Nothing())
            looks = sum(each[0] == quiet for each in self.asked)
            return late if looks == 2 else Nothing()

    script = Both()
    assert world.deliver(script, busy, quiet) == {}
    assert seqs(world.frames[ConnectionId("cem")]) == [[9]], "it came while the other was at work"
    assert {shard: intent for shard, _, intent, _ in script.asked} == {busy: Intent.LEAVE, quiet: Intent.LEAVE}


def test_one_that_is_waited_for_delays_nobody_and_gets_all_in_order() -> None:
    world, script = World(), Script(Round(TWO, [event(1)]), Round(TWO, [event(2)]))

    async def work() -> None:
        answered = world.held[BEN] = asyncio.Event()
        delivery = asyncio.create_task(DeliverShards(script, world, world, Posts(world))([Shard(ROOM)]))
        while len(world.frames[ADA]) < 2 or len(script.asked) < 3:
            await asyncio.sleep(0.001)
        assert not delivery.done() and not world.frames[BEN]
        answered.set()
        assert await delivery == {}

    run(work())
    assert seqs(world.frames[BEN]) == [[1], [2]]
    positions = [(each.sent, each.taken) for _, each, _, _ in script.asked]
    assert positions[:3] == [(None, None), (None, 1), (None, 2)], "who comes after a run that dies here repeats both"
    assert positions[-1] == (2, 2)


def test_who_is_gone_is_removed_from_the_shard_and_sent_nothing_more() -> None:
    world = World()
    world.gone = {BEN}
    world.deliver(Script(Round(TWO, [event(1)])), Shard(ROOM, 7))
    assert world.left == [(BEN, 7)]
    assert seqs(world.frames[ADA]) == [[1]]


def test_lost_seats_are_restored_and_other_shards_told() -> None:
    world = World()
    world.deliver(Script(Unseated(), Round(TWO, [event(1)])))
    assert (world.restored, world.hinted) == ([ROOM], [ROOM])
    assert seqs(world.frames[BEN]) == [[1]]


def test_a_shard_that_fails_takes_no_other_with_it() -> None:
    world, failing = World(), Shard(StreamId("failing"))

    class Half(Script):
        def take(self, shard: Shard, position: Position, intent: Intent, seats: Seats) -> Taken:
            if shard == failing:
                raise DependencyUnavailable
            return super().take(shard, position, intent, seats)

    failed = world.deliver(Half(Round(TWO, [event(1)])), failing, Shard(ROOM))
    assert list(failed) == [failing]
    assert seqs(world.frames[ADA]) == [[1]]


def test_each_gets_what_it_has_not_had_and_only_moderators_what_is_theirs() -> None:
    figures = Figures({"❤️": 3}, viewers=12, waiting=2)
    frames = RoundFrames(ROOM, [event(4), event(5)], figures)

    def told(seat: Seat) -> list[dict[str, object]]:
        return [each for frame in frames.of(seat) for each in msgspec.json.decode(frame)["events"]]

    for_all: list[dict[str, object]] = [
        {"type": "reactions", "counts": {"❤️": 3}},
        {"type": "viewer_count", "viewers": 12},
    ]
    messages: list[dict[str, object]] = [{"seq": seq, "type": "message"} for seq in (4, 5)]
    assert told(Seat(ADA, 0)) == [*messages, *for_all]
    assert told(Seat(ADA, 4)) == [messages[1], *for_all]
    assert told(Seat(ADA, 5)) == for_all
    assert told(Seat(ADA, 3, moderates=True)) == [*messages, *for_all, {"type": "review", "waiting": 2}]
    assert frames.of(Seat(ADA, 0)) is frames.of(Seat(BEN, 1)), "made once for all who get the same"


def test_who_has_had_everything_is_sent_nothing() -> None:
    assert RoundFrames(ROOM, [event(1)], None).of(Seat(ADA, 1)) == []

"""When a room's shards are hinted, and what a look at one gives: real Redis, no delivery."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from headwater.adapters import chat_seats
from headwater.adapters.cache import cache_client
from headwater.adapters.chat_delivery_queue import ChatDeliveryQueue
from headwater.adapters.chat_rooms import ChatRooms
from headwater.adapters.chat_rounds import ChatRounds
from headwater.adapters.chat_seats import ChatSeats
from headwater.domain.chat import Membership
from headwater.domain.chat_rounds import Figures, Intent, Nothing, Position, Round, Seats, Shard, Taken, Unseated, Wait
from headwater.domain.ids import ConnectionId, StreamId, new_id
from headwater.domain.server_frames import StreamStatusEvent
from tests.chat_backend import ChatBackend
from tests.redis_server import RedisServer

LEAVE, STAY, REST = Intent.LEAVE, Intent.STAY, Intent.REST
FOREVER_MS = 3_600_000
NOT_SEEN = Seats()


class RoomOf:
    """A room whose connections are only seated."""

    def __init__(self, cache_url: str, *, pace_ms: int = 0, figures_ms: int = 0) -> None:
        self.cache_url = cache_url
        self.id = StreamId(new_id())
        self.rooms = ChatRooms(cache_url)
        self.seats = ChatSeats(cache_url)
        self.rounds = ChatRounds(cache_url, slowest_pace_ms=pace_ms, figures_ms=figures_ms)
        self.seats.restore(self.id, [])

    def join(self, name: str, *, moderates: bool = False) -> int:
        seq, shard = self.seats.place(self.id)
        self.seats.seat(self.id, Membership(ConnectionId(name), None, seq, moderates, shard))
        return shard

    def happen(self) -> int:
        return self.rooms.append(self.id, StreamStatusEvent(status="live", at="now"))

    def look(
        self,
        intent: Intent = LEAVE,
        *,
        shard: int = 0,
        sent: int | None = None,
        taken: int | None = None,
        seats: Seats = NOT_SEEN,
    ) -> Taken:
        return self.rounds.take(Shard(self.id, shard), Position(sent, taken), intent, seats)

    def round(self, shard: int = 0, sent: int | None = None) -> Round:
        taken = self.look(STAY, shard=shard, sent=sent)
        assert isinstance(taken, Round)
        return taken

    def unhinted(self, seq: int | None = None) -> list[int]:
        return list(self.rounds.unhinted(self.id, seq))

    def hint(self) -> None:
        self.rounds.mark_hinted(self.id, self.rounds.unhinted(self.id))


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_seats, "SHARD_CONNECTIONS", 2)


@pytest.fixture
def room(redis: RedisServer) -> RoomOf:
    return RoomOf(redis.url)


def names(taken: Round) -> set[str]:
    return {seat.connection_id for seat in taken.seats.all}


def test_connections_fill_shards_one_after_the_other_and_free_seats_first(room: RoomOf) -> None:
    assert [room.join(name) for name in "abcde"] == [0, 0, 1, 1, 2]
    room.seats.unseat(room.id, 0, ConnectionId("a"))
    assert room.join("f") == 0
    room.happen()
    assert [names(room.round(shard)) for shard in range(3)] == [{"b", "f"}, {"c", "d"}, {"e"}]


def test_a_round_has_what_is_new_until_it_is_confirmed(room: RoomOf) -> None:
    room.join("a")
    numbers = [room.happen() for _ in range(3)]
    assert [event.seq for event in room.round().events] == numbers
    assert [event.seq for event in room.round().events] == numbers, "the run died"
    assert isinstance(room.look(STAY, sent=numbers[0], taken=numbers[-1]), Nothing), "the rest is on its way"
    assert [event.seq for event in room.round().events] == numbers[1:], "the run died"
    assert isinstance(room.look(sent=numbers[-1]), Nothing)


def test_only_shards_that_are_not_at_work_and_have_somebody_are_hinted(room: RoomOf) -> None:
    for name in "abcd":
        room.join(name)
    seq = room.happen()
    assert room.unhinted(seq) == [0, 1]
    room.hint()
    assert room.unhinted(seq) == []
    room.round(0)
    assert room.unhinted(room.happen()) == [], "the run looks again"
    last = room.happen()
    assert isinstance(room.look(LEAVE, sent=last), Nothing)
    assert room.unhinted() == [0], "and it has left"
    assert room.unhinted(last) == [], "what it has sent already needs no hint"
    for name in "ab":
        room.seats.unseat(room.id, 0, ConnectionId(name))
    assert room.unhinted(room.happen()) == []


def test_a_mark_that_comes_after_the_look_is_not_set(room: RoomOf) -> None:
    """Else it would silence the next message: nobody would come for it."""
    room.join("a")
    before = room.rounds.unhinted(room.id, room.happen())
    assert isinstance(room.look(LEAVE, sent=room.happen()), Nothing), "the hint was quick"
    room.rounds.mark_hinted(room.id, before)
    assert room.unhinted(room.happen()) == [0]


def test_a_mark_that_nobody_renews_is_believed_for_a_few_seconds(room: RoomOf) -> None:
    room.join("a")
    room.happen()
    room.hint()
    assert room.unhinted() == []
    cache_client(room.cache_url).hset(f"room:{{{room.id}}}:state", "hinted:0", str(int(time.time() * 1000) - 60_000))
    assert room.unhinted() == [0]


def test_a_run_that_rests_begins_no_round_and_leaves_its_mark_for_its_successor(room: RoomOf) -> None:
    room.join("a")
    seq = room.happen()
    assert isinstance(room.look(REST), Wait)
    assert room.unhinted(seq) == []
    assert isinstance(room.look(REST, sent=seq), Nothing)
    assert room.unhinted() == [0]


def test_the_first_frame_goes_at_once_and_the_next_waits_for_its_time_also_in_another_run(redis: RedisServer) -> None:
    room = RoomOf(redis.url, pace_ms=FOREVER_MS)
    room.join("a")
    first = room.happen()
    assert [event.seq for event in room.round().events] == [first]
    room.happen()
    waiting = room.look(LEAVE, sent=first)
    assert isinstance(waiting, Wait) and 0 < waiting.seconds <= 0.25, "few are here"
    assert isinstance(room.look(LEAVE, sent=first), Wait)


@pytest.mark.parametrize(("connections", "longest"), [(500, 0.25), (501, 1.0), (5_000, 1.0), (5_001, 2.0)])
def test_the_more_are_in_a_room_the_slower_its_pace(redis: RedisServer, connections: int, longest: float) -> None:
    room = RoomOf(redis.url, pace_ms=2_000)
    room.join("a")
    cache_client(room.cache_url).hset(
        f"room:{{{room.id}}}:state", mapping={"shards": "2", "size:0": "1", "size:1": str(connections - 1)}
    )
    room.happen()
    sent = room.round().events[-1].seq
    room.happen()
    waiting = room.look(sent=sent)
    assert isinstance(waiting, Wait) and longest / 2 < waiting.seconds <= longest


def test_whoever_sits_down_alone_is_not_sent_what_it_was_shown(room: RoomOf) -> None:
    room.join("a")
    room.seats.unseat(room.id, 0, ConnectionId("a"))
    for _ in range(3):
        room.happen()
    room.join("b")
    assert isinstance(room.look(), Nothing)


def test_who_sits_where_is_answered_only_when_it_has_changed(room: RoomOf) -> None:
    room.join("a")
    room.happen()
    known = room.round().seats
    again = room.look(STAY, seats=known)
    assert isinstance(again, Round) and again.seats is known
    room.join("b", moderates=True)
    changed = room.look(STAY, seats=known)
    assert isinstance(changed, Round)
    assert {(seat.connection_id, seat.moderates) for seat in changed.seats.all} == {("a", False), ("b", True)}


def test_figures_are_summed_told_once_a_second_and_to_every_shard_once(redis: RedisServer) -> None:
    room = RoomOf(redis.url)
    for name in "abc":
        room.join(name)
    for emoji in ("🔥", "🔥", "+1"):
        room.rooms.add_reaction(room.id, emoji)
    room.rooms.set_viewers(room.id, 4)
    room.rooms.set_viewers(room.id, 5)
    room.rooms.set_waiting(room.id, 1)
    assert room.unhinted() == [0, 1]
    told = Figures({"🔥": 2, "+1": 1}, viewers=5, waiting=1)
    assert [room.round(shard).figures for shard in (0, 1)] == [told, told]
    assert isinstance(room.look(shard=0), Nothing) and isinstance(room.look(shard=1), Nothing)

    patient = ChatRounds(redis.url, slowest_pace_ms=0, figures_ms=FOREVER_MS)
    room.rooms.set_viewers(room.id, 6)
    assert isinstance(patient.take(Shard(room.id), Position(), LEAVE, NOT_SEEN), Wait)
    sent = room.happen()
    taken = patient.take(Shard(room.id), Position(), STAY, NOT_SEEN)
    assert isinstance(taken, Round) and taken.figures is None, "messages do not wait for figures"
    taken = room.look(STAY, sent=sent)
    assert isinstance(taken, Round) and taken.figures == Figures({}, viewers=6)


def test_a_message_of_a_room_that_the_cache_has_lost_is_no_obstacle(room: RoomOf) -> None:
    assert isinstance(room.look(shard=3), Nothing)
    room.join("a")
    sent = room.happen()
    cache_client(room.cache_url).delete(f"room:{{{room.id}}}:state", f"room:{{{room.id}}}:log")
    assert isinstance(room.look(LEAVE, sent=sent), Nothing)
    seq = room.happen()
    assert seq > sent
    assert isinstance(room.look(LEAVE, sent=sent), Unseated), "who sits where is not known for certain"


# --- The copy of DynamoDB's connections ---


def test_lost_seats_are_found_again_in_dynamodb(chat: ChatBackend) -> None:
    ada, ben = chat.signed_in("ada", user_id=chat.owner_id), chat.signed_in("ben")
    chat.join(ada)
    chat.join(ben)
    chat.send(ada, "before")
    chat.deliver()
    cache_client(chat.cache_url).flushall(target_nodes="all")
    chat.join(ada)
    chat.send(ada, "after")
    chat.deliver()
    assert [event["text"] for event in chat.endpoint.events(ben)] == ["before", "after"]
    chat.rooms.set_waiting(chat.stream_id, 3)
    ChatDeliveryQueue(chat.delivery_queue, ChatRounds(chat.cache_url)).hint(chat.stream_id)
    chat.deliver()
    assert chat.endpoint.events(ada)[-1] == {"type": "review", "waiting": 3}, "the owner moderates, as before"
    assert "review" not in [event["type"] for event in chat.endpoint.events(ben)]


def test_who_leaves_or_joins_while_seats_are_restored_is_out_or_in(redis: RedisServer) -> None:
    room = RoomOf(redis.url)
    cache_client(room.cache_url).delete(*(f"room:{{{room.id}}}:{key}" for key in ("state", "members:0")))
    found = [Membership(ConnectionId(name), None, 0) for name in ("stays", "leaves")]  # the query has been answered
    room.join("joins")
    room.seats.unseat(room.id, 0, ConnectionId("leaves"))
    room.seats.restore(room.id, found)
    room.happen()
    assert names(room.round()) == {"stays", "joins"}


def test_shards_that_nobody_is_in_any_more_are_restored_empty_and_those_that_never_were_are_left(
    redis: RedisServer,
) -> None:
    room = RoomOf(redis.url)
    cache_client(room.cache_url).delete(*(f"room:{{{room.id}}}:{key}" for key in ("state", "members:0")))
    for name in "abc":
        room.join(name)
    room.seats.unseat(room.id, 1, ConnectionId("c"))
    room.happen()
    assert isinstance(room.look(STAY, shard=1), Unseated)
    room.seats.restore(room.id, [Membership(ConnectionId(name), None, 0) for name in "ab"])
    assert isinstance(room.look(shard=1), Nothing)
    assert isinstance(room.look(shard=7), Nothing)


def test_a_shard_that_is_lost_alone_is_restored_alone(redis: RedisServer) -> None:
    room = RoomOf(redis.url)
    for name in "abc":
        room.join(name)
    cache_client(room.cache_url).delete(f"room:{{{room.id}}}:members:1")
    room.happen()
    assert names(room.round(0)) == {"a", "b"}
    assert isinstance(room.look(STAY, shard=1), Unseated)
    members = [Membership(ConnectionId(name), None, 0, shard=shard) for name, shard in (("x", 0), ("c", 1))]
    room.seats.restore(room.id, members)
    assert [names(room.round(shard)) for shard in (0, 1)] == [{"a", "b"}, {"c"}]


def test_who_joins_again_keeps_its_shard_and_is_sent_everything_once(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    chat.send(ada, "one")
    chat.join(ada)
    chat.send(ada, "two")
    chat.deliver()
    assert Counter(event["text"] for event in chat.endpoint.events(ada)) == {"two": 1}


def test_a_busy_room_costs_one_hint(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    for n in range(20):
        chat.send(ada, str(n))
    assert len(chat.hints()) == 1

"""Stage 7 · send what is new in rooms to everyone in these shards of them, in order, in rounds.

Level-triggered: the queue only says that there is something. What there is stands in the room's log, after a cursor that
moves on when everybody was sent it. So a hint may come twice, late, or for events that went out with an earlier one.

One run at a time delivers a shard (the queue's group is the shard). It has a round whenever the cache says that there is
something and that it is time; a round is one frame for each connection, or as many as its events take. A run that finds
nothing ends, and one that has worked long enough lets another go on. The cursor moves when all have answered; if a run dies
before, the next repeats some events, and clients know them by `seq`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

from functions.chat_delivery.round_frames import RoundFrames
from functions.chat_delivery.sending import Members, Posts, Sending
from headwater.domain.chat_rounds import Intent, Nothing, Position, Round, Seats, Shard, Taken, Unseated, Wait
from headwater.domain.ids import StreamId

RUN_SECONDS = 3.0  # then another run goes on, as soon as nobody is being waited for …
LONGEST_RUN_SECONDS = 6.0  # … or when they have been: what is under way by then takes up to four more
LOOK_AGAIN_SECONDS = 0.05  # while some connections have not yet answered, or other shards are at work


class Rounds(Protocol):
    def take(self, shard: Shard, position: Position, intent: Intent, seats: Seats) -> Taken: ...


class Seating(Members, Protocol):
    def restore_seats(self, stream_id: StreamId) -> None: ...


class Hints(Protocol):
    def hint(self, stream_id: StreamId) -> None: ...
    def hint_anew(self, shard: Shard) -> None: ...


class DeliverShards:
    def __init__(self, rounds: Rounds, seating: Seating, hints: Hints, posts: Posts) -> None:
        self._rounds = rounds
        self._seating = seating
        self._hints = hints
        self._posts = posts

    async def __call__(self, shards: Collection[Shard]) -> dict[Shard, BaseException]:
        """All at the same time; those whose run failed, with the reason. What nobody got then comes with the next hint.

        The queue takes the hints of a call for done together. So a shard that has nothing more goes on looking while
        another is at work: or its next message would wait for that one.
        """
        at_work = set(shards)
        results = await asyncio.gather(*(self._run(shard, at_work) for shard in shards), return_exceptions=True)
        return {shard: result for shard, result in zip(shards, results, strict=True) if result is not None}

    async def _run(self, shard: Shard, at_work: set[Shard]) -> None:
        sending = Sending(shard, self._seating, self._posts)
        try:
            await self._have_rounds(shard, at_work, sending)
            await sending.remove_stuck()
        finally:
            at_work.discard(shard)
            await sending.give_up()

    async def _have_rounds(self, shard: Shard, at_work: set[Shard], sending: Sending) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        seats = Seats()
        while True:
            seconds = loop.time() - began
            if seconds > LONGEST_RUN_SECONDS:
                await sending.settle_all()
            intent = Intent.LEAVE
            if seconds > RUN_SECONDS and not sending.lagging:
                intent = Intent.REST
            elif sending.lagging or at_work - {shard}:
                intent = Intent.STAY
            match await asyncio.to_thread(self._rounds.take, shard, sending.position(), intent, seats):
                case Round() as taken:
                    at_work.add(shard)
                    frames = RoundFrames(shard.stream_id, taken.events, taken.figures)
                    seats = taken.seats
                    last_seq = taken.events[-1].seq if taken.events else None
                    await sending.send([(seat.connection_id, frames.of(seat)) for seat in seats.all], last_seq)
                case Wait(until_next):
                    if intent is Intent.REST:
                        await asyncio.to_thread(self._hints.hint_anew, shard)
                        return
                    at_work.add(shard)
                    await sending.wait(until_next)
                case Unseated():
                    await asyncio.to_thread(self._seating.restore_seats, shard.stream_id)
                    await asyncio.to_thread(self._hints.hint, shard.stream_id)  # of shards that nobody knew of
                case Nothing():
                    if intent is not Intent.STAY:
                        return
                    if not sending.lagging:
                        at_work.discard(shard)
                    await sending.wait(LOOK_AGAIN_SECONDS)

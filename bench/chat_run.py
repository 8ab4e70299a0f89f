"""`python -m bench.chat_run`: chat_delivery as Lambda runs it: one run of a shard at a time, shards side by side.

Hints come on stdin, as bodies of the queue's messages. When stdin ends, prints what the runs took: how many there were, the
seconds that they lasted (what Lambda bills), the CPU seconds, and the queue's messages.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

from functions.chat_delivery.deliver_shards import DeliverShards
from headwater.adapters.chat_rounds import ChatRounds
from headwater.adapters.connection_posts import ConnectionPosts
from headwater.adapters.request_signing import RequestSigner, SigningCredentials
from headwater.contracts import ChatDelivery, decode
from headwater.domain.chat_rounds import Shard
from headwater.domain.ids import ConnectionId, StreamId

CREDENTIALS = SigningCredentials("AKIAEXAMPLE", "s" * 40, "t" * 1000)  # as long as those of a Lambda function


@dataclass
class Lambda:
    """The queue and the runs. All but `hinted` on one event loop."""

    cache_url: str
    callback_url: str
    runs: int = 0
    messages: int = 0
    billed_seconds: float = 0.0
    _waiting: defaultdict[Shard, int] = field(default_factory=lambda: defaultdict(int))
    _running: dict[Shard, asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rounds = ChatRounds(self.cache_url)
        self.posts = ConnectionPosts(self.callback_url, RequestSigner(lambda: CREDENTIALS, "eu-west-1", "execute-api"))
        self._deliver = DeliverShards(self._rounds, self, self, self.posts)

    def hinted(self, shard: Shard) -> None:
        self.messages += 1
        self._waiting[shard] += 1
        if shard not in self._running:
            self._running[shard] = asyncio.create_task(self._run(shard))

    async def _run(self, shard: Shard) -> None:
        while self._waiting[shard]:
            taken = min(10, self._waiting[shard])
            began = time.monotonic()
            failed = await self._deliver([shard])
            assert not failed, failed
            self.runs += 1
            self.billed_seconds += math.ceil(1000 * (time.monotonic() - began)) / 1000
            self._waiting[shard] -= taken
        del self._running[shard]

    async def finish(self) -> None:
        while self._running:
            await asyncio.gather(*self._running.values())

    # What a run asks for. In a benchmark nobody leaves, and nothing is lost.

    def hint_anew(self, shard: Shard) -> None:
        asyncio.run_coroutine_threadsafe(self._again(shard), LOOP)

    async def _again(self, shard: Shard) -> None:
        self.hinted(shard)

    def hint(self, stream_id: StreamId) -> None:
        raise AssertionError(stream_id)

    def restore_seats(self, stream_id: StreamId) -> None:
        raise AssertionError(stream_id)

    def leave(self, stream_id: StreamId, connection_id: ConnectionId, shard: int) -> None:  # noqa: ARG002
        raise AssertionError(connection_id)

    def close(self, connection_id: ConnectionId) -> None:
        raise AssertionError(connection_id)


async def _serve(cache_url: str, callback_url: str) -> None:
    world = Lambda(cache_url, callback_url)
    over = asyncio.Event()

    def listen() -> None:
        for line in sys.stdin:
            hint = decode(line, ChatDelivery)
            LOOP.call_soon_threadsafe(world.hinted, Shard(hint.stream_id, hint.shard))
        LOOP.call_soon_threadsafe(over.set)

    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    before = os.times()
    await over.wait()
    await world.finish()
    spent = os.times()
    cpu = spent.user + spent.system - before.user - before.system
    figures = {"runs": world.runs, "messages": world.messages, "billed": world.billed_seconds, "cpu": cpu}
    print(json.dumps(figures), flush=True)
    await world.posts.aclose()


if __name__ == "__main__":
    LOOP = asyncio.new_event_loop()
    asyncio.set_event_loop(LOOP)
    LOOP.run_until_complete(_serve(*sys.argv[1:]))

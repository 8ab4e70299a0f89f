"""Stage 3 · once a minute: the dispatcher is to look at the workers that wait, where there are any, or should be."""

from __future__ import annotations

from typing import Protocol

from headwater.contracts import Message, WarmPoolPulse
from headwater.errors import DependencyUnavailable
from headwater.observability import count, logger


class PoolTasks(Protocol):
    def has_pool(self) -> bool: ...


class Queue(Protocol):
    def send(self, message: Message, *, delay_seconds: int = 0) -> None: ...


class NudgePool:
    def __init__(self, tasks: PoolTasks, pulses: Queue, wanted: int) -> None:
        """`wanted`: how many should wait; with none, those of a pool that was turned off are looked for."""
        self._tasks = tasks
        self._pulses = pulses
        self._wanted = wanted

    def __call__(self) -> None:
        """What cannot be asked now is asked in a minute."""
        try:
            if self._wanted or self._tasks.has_pool():
                self._pulses.send(WarmPoolPulse())
        except DependencyUnavailable:
            logger().exception("the waiting workers are not looked at")
            count("PoolNotNudged")

"""Stage 1 → 2 · ingest on demand: says that this node listens, how many publish to it, and whether it is on its way out.

First when nginx answers, then every ten seconds. Where the announcement comes from is where encoders reach the node: the
API sees the task's public IPv4 address, which nobody else could tell it for certain.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Protocol, Self

from headwater.hook_signature import HookOrigin
from rtmp_ingest.hooks_api import HookAnswer, HooksApi, HooksUnreachable
from rtmp_ingest.settings import Settings

ATTEMPT_SECONDS = 5.0
STOP_SECONDS = 0.5

log = logging.getLogger(__name__)


class Relay(Protocol):
    @property
    def publishers(self) -> int: ...
    @property
    def draining(self) -> bool: ...


class Api(Protocol):
    def post(self, origin: HookOrigin, body: bytes, timeout_seconds: float) -> HookAnswer: ...


class Announcer:
    """In a thread of its own: an API that does not answer holds up nothing else. What is not heard is said again."""

    def __init__(
        self, api: Api | None, relay: Relay, *, node: str, pull_base: str, port: int, every_seconds: float
    ) -> None:
        """Without `api` nobody wants to know."""
        self._api = api
        self._relay = relay
        self._node = node
        self._pull_base = pull_base
        self._port = port
        self._every_seconds = every_seconds
        self._said_at = 0
        self._now = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="announcer", daemon=True)

    @classmethod
    def of(cls, settings: Settings, *, node: str, pull_base: str, relay: Relay) -> Self:
        api = None
        if settings.announce_url is not None:
            api = HooksApi(settings.announce_url, settings.hook_signing_key.encode(), ipv4_only=True)
        port = int(settings.rtmp_listen.rpartition(":")[2])
        return cls(api, relay, node=node, pull_base=pull_base, port=port, every_seconds=settings.announce_seconds)

    def start(self) -> None:
        if self._api is not None:
            self._thread.start()

    def say_now(self) -> None:
        self._now.set()

    def stop(self) -> None:
        self._stopping.set()
        self._now.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._now.clear()
            self._say()
            self._now.wait(self._every_seconds)

    def _say(self) -> None:
        assert self._api is not None  # noqa: S101 - for the type checker: else there is no thread
        # Each later than the one before, also should the clock be set back: older ones are not listened to.
        self._said_at = max(time.time_ns() // 1_000_000, self._said_at + 1)
        told = {"port": self._port, "publishers": self._relay.publishers, "leaving": self._relay.draining}
        origin = HookOrigin(self._node, self._pull_base, self._said_at)
        try:
            answer = self._api.post(origin, json.dumps(told).encode(), ATTEMPT_SECONDS)
        except HooksUnreachable:
            log.warning("not announced, the API does not answer; trying again")
            return
        if not 200 <= answer.status < 300:
            log.warning("announcement not accepted (%d); trying again", answer.status)

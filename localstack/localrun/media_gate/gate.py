"""The verdict on one request for media: the signature that its path asks for, and what the stream's hot state says.

CloudFront's function reads the latter from a key value store that follows the hot state within seconds; here it is read
from the hot state itself, and remembered for a second. Like the store, what was read last serves on when nothing answers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from headwater.domain.broadcast import StreamControl
from headwater.domain.ids import StreamId
from headwater.domain.media_access import Audience, lets_in, media_path
from headwater.errors import DependencyUnavailable
from localrun.media_gate.signed_requests import is_signed

KEPT_SECONDS = 1.0
_log = logging.getLogger(__name__)
_KEPT_STREAMS = 10_000


class Verdict(IntEnum):
    """As nginx's auth_request takes it: 2xx opens, 401 and 403 refuse, everything else is a failure."""

    OPEN = 204
    REFUSED = 401  # no valid signature, where the path takes one
    ABSENT = 403  # there is nothing, for whoever asks
    UNKNOWN = 503


class Controls(Protocol):
    def load(self, stream_id: StreamId) -> StreamControl | None: ...


@dataclass(slots=True)
class _Known:
    control: StreamControl | None
    read_at: float


class Gate:
    def __init__(
        self,
        controls: Controls,
        public_keys: Callable[[], Mapping[str, str]],
        cdn_url: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._controls = controls
        self._public_keys = public_keys
        self._cdn_url = cdn_url
        self._clock = clock
        self._known: dict[StreamId, _Known] = {}

    async def judge(self, path: str, query: str, cookies: str) -> Verdict:
        asked = media_path(path)
        if asked is None:
            return Verdict.ABSENT
        try:
            if asked.entrance is not Audience.EVERYONE:
                keys = await asyncio.to_thread(self._public_keys)
                if not is_signed(f"{self._cdn_url}{path}", query, cookies, keys, int(self._clock())):
                    return Verdict.REFUSED
            control = await self._control(asked.stream_id)
        except DependencyUnavailable:
            _log.exception("not decided: %s", asked)
            return Verdict.UNKNOWN
        # Who has no way in is told nothing else: a preview looks as a stream does that is offline.
        return Verdict.OPEN if lets_in(control, asked) else Verdict.ABSENT

    async def _control(self, stream_id: StreamId) -> StreamControl | None:
        now = time.monotonic()
        known = self._known.get(stream_id)
        if known is not None and now - known.read_at < KEPT_SECONDS:
            return known.control
        try:
            control = await asyncio.to_thread(self._controls.load, stream_id)
        except DependencyUnavailable:
            if known is None:
                raise
            return known.control
        if len(self._known) >= _KEPT_STREAMS:
            self._known.clear()
        self._known[stream_id] = _Known(control, now)
        return control

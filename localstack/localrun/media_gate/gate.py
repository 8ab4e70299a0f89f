"""The verdict on one request for media: the signature that its path asks for, and what the stream's hot state says.

CloudFront's function reads the latter from a key value store that follows the hot state within seconds; here it is read
from the hot state itself, and remembered for a second. Nobody is refused for what is remembered: who opens a stream and
then looks at it sees it. Like the store, what was read last serves on when nothing answers.
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
from headwater.domain.media_access import Audience, MediaPath, lets_in, media_path
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
            open_to_them = await self._lets_in(asked)
        except DependencyUnavailable:
            _log.exception("not decided: %s", asked)
            return Verdict.UNKNOWN
        # Who has no way in is told nothing else: a preview looks as a stream does that is offline.
        return Verdict.OPEN if open_to_them else Verdict.ABSENT

    async def _lets_in(self, asked: MediaPath) -> bool:
        known = self._known.get(asked.stream_id)
        if known is not None and time.monotonic() - known.read_at < KEPT_SECONDS and lets_in(known.control, asked):
            return True
        return lets_in(await self._read(asked.stream_id), asked)

    async def _read(self, stream_id: StreamId) -> StreamControl | None:
        now = time.monotonic()
        try:
            control = await asyncio.to_thread(self._controls.load, stream_id)
        except DependencyUnavailable:
            known = self._known.get(stream_id)
            if known is None:
                raise
            return known.control
        if len(self._known) >= _KEPT_STREAMS:
            self._known.clear()
        self._known[stream_id] = _Known(control, now)
        return control

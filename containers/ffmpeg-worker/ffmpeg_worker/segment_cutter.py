"""Stage 4 · where one segment ends and the next begins: greedily, from the times of keyframes alone.

No segment is ever longer than 2.46 s, so with its audio (whose frames do not end where pictures do) it stays below 2.5 s
and TARGETDURATION is 2 for every source. See docs/decisions/0002-segments-are-cut-greedily.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from headwater.media.timeline import SEGMENT_SECONDS

MIN_SEGMENT_MS = 1750
MAX_SEGMENT_MS = 2460
SEGMENT_MS = round(SEGMENT_SECONDS * 1000)


class KeyframesTooFarApart(Exception):
    """The source cannot be cut into segments as it is: it has to be encoded with keyframes of our own."""


@dataclass(frozen=True, slots=True, order=True)
class Boundary:
    """Where a segment begins, on the publisher's clock in ms. With B-frames a picture is decoded before it is shown."""

    shown_at: int
    decoded_at: int


class SegmentCutter:
    """Fed keyframes and the passage of time, in order of decoding; answers with the boundaries that follow from them."""

    def __init__(self, start: Boundary) -> None:
        self._open = start
        self._inside: Boundary | None = None  # the last keyframe within the open segment
        self._last = start

    def keyframe(self, at: Boundary) -> list[Boundary]:
        """Raises KeyframesTooFarApart."""
        if at <= self._open:
            return []  # the one that the open segment begins with
        cuts = self.reach(at.decoded_at)
        length = at.decoded_at - self._open.decoded_at
        interval, self._last = at.decoded_at - self._last.decoded_at, at
        # Should the next one come after as long as this one did, it would be too late: do not wait to see it.
        if length >= MIN_SEGMENT_MS or length + interval > MAX_SEGMENT_MS:
            self._open, self._inside = at, None
            cuts.append(at)
        else:
            self._inside = at
        return cuts

    def reach(self, decoded_at: int) -> list[Boundary]:
        """The media has come as far as `decoded_at`. Raises KeyframesTooFarApart."""
        cuts: list[Boundary] = []
        while decoded_at - self._open.decoded_at > MAX_SEGMENT_MS:
            if self._inside is None:
                raise KeyframesTooFarApart
            cuts.append(self._inside)
            self._open, self._inside = self._inside, None
        return cuts

"""Stage 4 · between reading and storing: where the segments of a publish session go."""

from __future__ import annotations

from typing import Protocol

from ffmpeg_worker.epoch_run import EpochMedia
from ffmpeg_worker.packager import PackagedSegment


class SegmentSink(Protocol):
    """Where whole segments go. Takes everything at once, in order, and never raises."""

    def begin_epoch(self, media: EpochMedia) -> None:
        """Told as soon as its tracks are known: what segments come now are of it, if there are any."""

    def add_segment(self, segment: PackagedSegment) -> None: ...
    def add_thumbnail(self, image: bytes) -> None: ...

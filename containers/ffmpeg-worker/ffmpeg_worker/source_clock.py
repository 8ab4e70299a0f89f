"""Stage 4, in · notices where the publisher's clock jumps: from there on, media are on another time line.

Sound and pictures of one moment need not come together: encoders take a while for pictures, some of them seconds. So a track
goes back only against itself, and forward against all.
"""

from __future__ import annotations

from ffmpeg_worker.track_filler import LATEST_MS
from headwater.media.flv import Tag, TagKind

FORWARD_JUMP_MS = 2000
BACKWARD_JUMP_MS = 1000


class SourceClock:
    """Pure. Fed the frames of a source in order of arrival."""

    def __init__(self) -> None:
        self._newest: dict[TagKind, int] = {}

    @property
    def is_set(self) -> bool:
        return bool(self._newest)

    def jumps(self, tag: Tag) -> bool:
        """Whether `tag` is on another time line than what was fed before, if anything was."""
        if not self._newest:
            return False
        newest = max(self._newest.values())
        earliest = self._newest.get(tag.kind, newest - LATEST_MS) - BACKWARD_JUMP_MS
        return not earliest <= tag.timestamp <= newest + FORWARD_JUMP_MS

    def feed(self, tag: Tag) -> None:
        self._newest[tag.kind] = max(self._newest.get(tag.kind, tag.timestamp), tag.timestamp)

    def reset(self) -> None:
        self._newest.clear()

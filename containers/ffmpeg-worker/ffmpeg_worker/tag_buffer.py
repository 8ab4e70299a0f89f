"""Stage 4, in · the frames that are not yet part of a stored segment, so that a new FFmpeg can begin where one left off."""

from __future__ import annotations

from collections import deque

from ffmpeg_worker.flv import Tag
from ffmpeg_worker.segment_cutter import Boundary

_SOUND_KEPT_MS = 3000  # of sound alone; pictures may yet turn up beside it
_INTERLEAVING_MS = 1000  # how far apart encoders send sound and picture of the same moment


class TagBuffer:
    """Frames in the order in which they arrived."""

    def __init__(self) -> None:
        self._tags: deque[Tag] = deque()
        self.size = 0
        self._has_keyframe = False

    def append(self, tag: Tag) -> bool:
        """Keep `tag`, unless it is a picture that cannot be decoded because no keyframe came before it."""
        if tag.is_keyframe:
            self._has_keyframe = True
        elif not self._has_keyframe:
            if tag.is_video:
                return False
            while self._tags and self._tags[0].timestamp < tag.timestamp - _SOUND_KEPT_MS:
                self.size -= len(self._tags.popleft().payload)
        self._tags.append(tag)
        self.size += len(tag.payload)
        return True

    def clear(self) -> None:
        self._tags.clear()
        self.size = 0
        self._has_keyframe = False

    def forget_before(self, boundary: Boundary) -> None:
        """Segments up to `boundary` are whole: a successor needs the keyframe that `boundary` is decoded from, and on."""
        needed_from = self._keyframe_for(boundary) - _INTERLEAVING_MS
        while self._tags and self._tags[0].timestamp < needed_from:
            self.size -= len(self._tags.popleft().payload)

    def from_boundary(self, boundary: Boundary) -> list[Tag]:
        """Every picture that is needed to show those from `boundary` on, and all sound (some of it older)."""
        pictures_from = self._keyframe_for(boundary)
        return [tag for tag in self._tags if tag.is_audio or tag.timestamp >= pictures_from]

    def first_start(self, *, video: bool) -> Boundary | None:
        """Where an epoch can begin: the first keyframe, or without video the first sound."""
        for tag in self._tags:
            if tag.is_keyframe if video else tag.is_audio:
                return Boundary(tag.presentation_time, tag.timestamp)
        return None

    def forget_all_but_last_keyframe(self) -> None:
        """Catch up: give up everything before the newest keyframe."""
        latest = max((tag.timestamp for tag in self._tags if tag.is_keyframe), default=None)
        while self._tags and (latest is None or self._tags[0].timestamp < latest):
            self.size -= len(self._tags.popleft().payload)

    def _keyframe_for(self, boundary: Boundary) -> int:
        earlier = (tag.timestamp for tag in self._tags if tag.is_keyframe and tag.timestamp <= boundary.decoded_at)
        return max(earlier, default=boundary.decoded_at)

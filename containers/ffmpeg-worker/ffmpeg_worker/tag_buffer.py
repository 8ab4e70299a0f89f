"""Stage 4, in · the frames that are not yet part of a stored segment, so that a new FFmpeg can begin where one left off."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ffmpeg_worker.segment_cutter import Boundary
from headwater.media.flv import Tag

_SOUND_KEPT_MS = 3000  # of sound alone; pictures may yet turn up beside it
_INTERLEAVING_MS = 1000  # how far apart encoders send sound and picture of the same moment


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """How far the timeline has a source already, on the publisher's clock in ms."""

    shown_at: int  # the end of its last picture, or without any of its sound
    sound_from_ms: float
    tolerance_ms: int = 10  # less than a frame; ends are rounded, and FLV counts whole milliseconds


@dataclass(frozen=True, slots=True)
class ResumedStart:
    start: Boundary
    sound_from_ms: float
    at_keyframe: bool  # otherwise pictures before it must be decoded, but not shown


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
        """Where an epoch can begin: the first keyframe, or without video the first sound. Some encoders show pictures earlier
        than they decode them: not one before the time 0, which MP4 cannot say."""
        for tag in self._tags:
            if (tag.is_keyframe if video else tag.is_audio) and tag.presentation_time >= 0:
                return Boundary(tag.presentation_time, tag.timestamp)
        return None

    def resumed_start(self, point: ResumePoint, *, video: bool) -> ResumedStart | None:
        """Where an epoch begins that goes on at `point`; None until that has come."""
        earliest = point.shown_at - point.tolerance_ms
        before: Tag | None = None
        for tag in self._tags:
            if not (tag.is_keyframe if video else tag.is_audio):
                if before is not None and video and tag.is_video and tag.presentation_time >= earliest:
                    return ResumedStart(
                        Boundary(point.shown_at, point.shown_at), point.sound_from_ms, at_keyframe=False
                    )
                continue
            start = Boundary(tag.presentation_time, tag.timestamp)
            if start.shown_at >= earliest:
                goes_on = before is not None or start.shown_at <= point.shown_at + point.tolerance_ms or not video
                return ResumedStart(start, point.sound_from_ms if goes_on else start.shown_at, at_keyframe=True)
            before = tag
        return None

    def _keyframe_for(self, boundary: Boundary) -> int:
        earlier = (tag.timestamp for tag in self._tags if tag.is_keyframe and tag.timestamp <= boundary.decoded_at)
        return max(earlier, default=boundary.decoded_at)

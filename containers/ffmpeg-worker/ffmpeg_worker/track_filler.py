"""Stage 4, in · stands in for a track that stops, or pauses, while the other one goes on: the last keyframe again, or silence.

Segments are whole only with all of their tracks, so a camera that fails, or an encoder that gives up pictures on a bad line
but no sound, would hold up the broadcast and everything in memory with it. Pure: the source's frames in, frames out; a new
worker that reads the same frames fills them in the same way. See docs/decisions/0011.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from headwater.media.codecs import AAC_LC, AacConfiguration
from headwater.media.flv import AAC, Tag, TagKind

PICTURE_LOST_MS = 4000  # behind the sound. Who shows slides may need seconds for the next one; players wait about six
SOUND_LOST_MS = 2000  # behind the pictures. No encoder pauses its sound, nor sends it so much later
LATEST_MS = 8000  # some encoder may be later than that after all: then it is waited for, up to this
STILL_MS = 1000
_PICTURE_PAUSE_MS = 1500  # with a keyframe after it: more would make a segment too long to copy
_SOUND_PAUSE_MS = 500
_NEXT_PICTURE_MS = 40
_HALF_AUDIO_FRAME_MS = 10
_SAMPLES = 1024  # of one AAC frame
_SAMPLE_RATES = range(7350, 96_001)  # whatever a publisher writes there
_SILENT_FRAMES = {1: bytes.fromhex("01182007"), 2: bytes.fromhex("211004608c1c")}  # raw_data_block(), by channels
_RAW_AAC = bytes([AAC << 4 | 0x0F, 1])


@dataclass(slots=True)
class _Silence:
    """Frames of it, counted from `base` so that rounding to milliseconds never adds up."""

    payload: bytes
    frame_ms: float
    base: float = 0.0
    count: int = 0

    def begin(self, base: int) -> None:
        self.base, self.count = base, 0

    @property
    def next(self) -> int:
        return round(self.base + (self.count + 1) * self.frame_ms)

    def until(self, timestamp: float) -> Iterator[Tag]:
        while self.next <= timestamp:
            yield Tag(TagKind.AUDIO, self.next, self.payload)
            self.count += 1


class TrackFiller:
    """Fed the frames of one clock, in order of arrival. What it adds is older than the limits above: what comes late fits."""

    def __init__(self) -> None:
        self.gaps = 0  # tracks that were stood in for so far
        self._silence: _Silence | None = None
        self.begin(0)

    def begin(self, timestamp: int) -> None:
        """The source, or another clock, begins."""
        self._began_at = timestamp
        self._keyframe: Tag | None = None
        self._picture = timestamp  # decoding time of the last one
        self._shown_until = timestamp
        self._sound = timestamp
        self._still = self._silent = False
        self._picture_lost_ms, self._sound_lost_ms = PICTURE_LOST_MS, SOUND_LOST_MS
        if self._silence is not None:
            self._silence.begin(timestamp)

    def learn_sound(self, configuration: AacConfiguration | None) -> None:
        """What silence is made of: None, or AAC other than LC in mono or stereo, cannot be stood in for."""
        if self._silence is None:  # what was not there until now is not missing
            self._sound = max(self._sound, self._picture)
        frame = _SILENT_FRAMES.get(configuration.channels) if configuration else None
        if (
            configuration is None
            or frame is None
            or configuration.object_type != AAC_LC
            or configuration.sample_rate not in _SAMPLE_RATES
        ):
            self._silence = None
            return
        self._silence = _Silence(_RAW_AAC + frame, _SAMPLES * 1000 / configuration.sample_rate)
        self._silence.begin(self._sound)

    @property
    def fills_sound(self) -> bool:
        return self._silence is not None

    def lacks_pictures(self, tag: Tag) -> bool:
        """Whether pictures that were announced are not there by the time of `tag`: not one that could stand in for others."""
        return self._keyframe is None and tag.is_audio and tag.timestamp - self._began_at > PICTURE_LOST_MS

    def feed(self, tag: Tag) -> list[Tag]:
        """What to go on with: `tag`, if it can be used, after what stands in for what should have come before it."""
        return self._feed_picture(tag) if tag.is_video else self._feed_sound(tag)

    def _feed_picture(self, tag: Tag) -> list[Tag]:
        filled = list(self._fill_sound(tag.timestamp - self._sound_lost_ms))
        if tag.is_keyframe:
            if self._still or tag.timestamp - self._picture > _PICTURE_PAUSE_MS:
                filled += self._fill_pictures(tag.timestamp - _NEXT_PICTURE_MS)
            if self._still and tag.timestamp <= self._picture:
                self._picture_lost_ms = _wait_for(self._sound - tag.timestamp, self._picture_lost_ms)
                return filled  # later than anything should be: the next one will do
            self._keyframe, self._still = tag, False
        elif self._still or self._keyframe is None:
            # What this picture refers to is gone.
            return filled + list(self._fill_pictures(tag.timestamp - self._picture_lost_ms))
        self._picture = tag.timestamp
        self._shown_until = max(self._shown_until, tag.presentation_time)
        return [*filled, tag]

    def _feed_sound(self, tag: Tag) -> list[Tag]:
        filled = list(self._fill_pictures(tag.timestamp - self._picture_lost_ms))
        if self._silent or tag.timestamp - self._sound > _SOUND_PAUSE_MS:
            filled += self._fill_sound(tag.timestamp - _HALF_AUDIO_FRAME_MS)
            if tag.timestamp <= self._sound:
                self._sound_lost_ms = _wait_for(self._picture - tag.timestamp, self._sound_lost_ms)
                return filled
        self._silent = False
        self._sound = tag.timestamp
        if self._silence is not None:
            self._silence.begin(tag.timestamp)
        return [*filled, tag]

    def _fill_pictures(self, until: int) -> Iterator[Tag]:
        keyframe = self._keyframe
        if keyframe is None:
            return
        while True:
            # The first follows at once, lest the segment become too long; a picture that is decoded next is shown next.
            after = self._picture + STILL_MS
            if not self._still:
                shown_next = self._shown_until + _NEXT_PICTURE_MS
                after = max(self._picture + 1, shown_next - keyframe.composition_offset)
            if after > until:
                return
            if not self._still:
                self._note_gap()
                self._still = True
            self._picture = after
            self._shown_until = after + keyframe.composition_offset
            yield Tag(TagKind.VIDEO, after, keyframe.payload)

    def _fill_sound(self, until: int) -> Iterator[Tag]:
        if self._silence is None:
            return
        for tag in self._silence.until(until):
            if not self._silent:
                self._note_gap()
                self._silent = True
            self._sound = tag.timestamp
            yield tag

    def _note_gap(self) -> None:
        self.gaps += 1


def _wait_for(late_ms: int, limit_ms: int) -> int:
    """How long to wait from now on for a track that was `late_ms` behind the other."""
    return max(limit_ms, min(LATEST_MS, late_ms + 500))

"""Stage 4 · the frames of one track as MP4 samples, whether they come from the encoder (copied) or from FFmpeg.

Frames arrive with times in whole milliseconds. Pictures keep them; sound is counted, for a frame of AAC lasts exactly
1024 samples, and times only say where the count is to be corrected.
"""

from __future__ import annotations

from ffmpeg_worker.avc import parse_configuration
from headwater.errors import MediaFormatError
from headwater.media import fmp4
from headwater.media.flv import Tag
from headwater.media.fmp4 import VIDEO_TIMESCALE, InitSegment, Sample

_AVC_HEADER, _AAC_HEADER = 5, 2  # bytes of an FLV payload before the frame itself
_AAC_SAMPLES = 1024
_STRAY_SECONDS = 0.005  # that times may be beside the count: rounding, and encoders that jitter
_TICKS_PER_MS = VIDEO_TIMESCALE // 1000


class VideoSamples:
    """`shift` is the reordering delay of the first sample; `complete_until` the decode time of the newest."""

    def __init__(self) -> None:
        self.init: InitSegment | None = None
        self.shift = 0
        self.complete_until: int | None = None
        self._interval = _TICKS_PER_MS

    def configure(self, header: Tag) -> None:
        """Raises MediaFormatError."""
        record = header.payload[_AVC_HEADER:]
        try:
            picture = parse_configuration(record)
            self.init = fmp4.video_init(record, picture.width, picture.height)
        except ValueError as error:
            raise MediaFormatError(f"unreadable H.264 configuration: {error}") from error

    def sample(self, tag: Tag) -> Sample:
        """Decode times rise, whatever the encoder says."""
        decode_time, shown_at = tag.timestamp * _TICKS_PER_MS, tag.presentation_time * _TICKS_PER_MS
        if self.complete_until is None:
            self.shift = shown_at - decode_time
        else:
            decode_time = max(decode_time, self.complete_until + 1)
            self._interval = decode_time - self.complete_until
        self.complete_until = decode_time
        data = memoryview(tag.payload)[_AVC_HEADER:]
        return Sample(decode_time, shown_at - decode_time, tag.is_keyframe, data)

    def end(self) -> None:
        """No sample follows: the newest lasts as long as the one before it."""
        if self.complete_until is not None:
            self.complete_until += self._interval


class AudioSamples:
    """`complete_until` is where the newest sample ends."""

    shift = 0

    def __init__(self) -> None:
        self.init: InitSegment | None = None
        self.complete_until: int | None = None

    def configure(self, header: Tag) -> None:
        """Raises MediaFormatError."""
        try:
            self.init = fmp4.audio_init(header.payload[_AAC_HEADER:])
        except ValueError as error:
            raise MediaFormatError(f"unreadable AAC configuration: {error}") from error

    def sample(self, tag: Tag) -> Sample:
        """After a pause, the frame before it lasts until now; frames that come too densely are shortened."""
        assert self.init is not None  # noqa: S101 - an encoder's configuration comes first, and FFmpeg's does
        rate = self.init.sample_rate
        at = round(tag.timestamp * rate / 1000)
        expected = at if self.complete_until is None else self.complete_until
        stray = _STRAY_SECONDS * rate
        decode_time = at if at - expected > stray else expected
        surplus = min(decode_time - at, _AAC_SAMPLES // 2) if decode_time - at > stray else 0
        self.complete_until = decode_time + _AAC_SAMPLES - surplus
        return Sample(decode_time, 0, is_sync=True, data=memoryview(tag.payload)[_AAC_HEADER:])

    def end(self) -> None:
        """No sample follows."""


TrackSamples = VideoSamples | AudioSamples

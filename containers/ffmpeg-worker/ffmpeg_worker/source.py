"""Stage 4, in · measures what the encoder sends: which tracks there are, what is in them, and whether it can be played.

Encoders' metadata is a hint that is believed until something better was measured.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ffmpeg_worker.avc import AvcConfiguration, parse_configuration
from headwater.domain.ladder import Source
from headwater.media import amf0
from headwater.media.codecs import AAC_LC, AacConfiguration
from headwater.media.flv import Tag, TagKind

OTHER_TRACK_LIMIT_MS = 1500  # how long to wait for sound beside pictures, or for pictures beside sound
# Some encoders (GStreamer's flvmux) announce what they have so far, and a fifth of a second later the other track, too.
UNANNOUNCED_SOUND_LIMIT_MS = 500
_MEASURED_FRAMES = 20
_MEASURED_MS = 2000
_DEFAULT_FRAME_RATE = 30.0
_NAMES = {
    "hvc1": "HEVC (H.265)", "hev1": "HEVC (H.265)", "codec-12": "HEVC (H.265)", "av01": "AV1", "vp09": "VP9",
    "vp08": "VP8", "vvc1": "VVC (H.266)", "codec-2": "Sorenson H.263", "codec-4": "VP6", "Opus": "Opus", "fLaC": "FLAC",
    "ac-3": "AC-3", "ec-3": "E-AC-3", "codec-11": "Speex", "codec-5": "Nellymoser", "codec-6": "Nellymoser",
}  # fmt: skip


@dataclass(slots=True)
class _Meter:
    """Sliding measure of one track: bits per second and, for video, frames per second."""

    frames: deque[tuple[int, int]] = field(default_factory=deque)  # (timestamp ms, bytes)
    size: int = 0

    def add(self, tag: Tag) -> None:
        self.frames.append((tag.timestamp, len(tag.payload)))
        self.size += len(tag.payload)
        while self.frames and not 0 <= tag.timestamp - self.frames[0][0] <= 2 * _MEASURED_MS:
            self.size -= self.frames.popleft()[1]

    @property
    def span_ms(self) -> int:
        return self.frames[-1][0] - self.frames[0][0] if self.frames else 0

    def bits_per_second(self) -> int | None:
        return self.size * 8 * 1000 // self.span_ms if self.span_ms >= _MEASURED_MS else None

    def frame_rate(self) -> float | None:
        if len(self.frames) < _MEASURED_FRAMES or self.span_ms <= 0:
            return None
        return (len(self.frames) - 1) * 1000 / self.span_ms


class SourceProbe:
    """Fed every tag of a publish session; knows at any time what the source is."""

    def __init__(self) -> None:
        self.refusal: str | None = None
        self.avc: AvcConfiguration | None = None
        self.aac: AacConfiguration | None = None
        self._audio_codec: str | None = None
        self._metadata: dict[str, amf0.Amf0Value] = {}
        self._video, self._audio = _Meter(), _Meter()
        self._first_timestamp: int | None = None
        self._last_timestamp = 0
        self._settled = False
        self._pictures_stay_away = False

    def feed(self, tag: Tag) -> None:
        """Note what `tag` says. Sets `refusal` to a sentence for the broadcaster when the source can never play."""
        if tag.kind is TagKind.DATA:
            self._read_metadata(tag.payload)
            return
        try:
            if tag.is_video:
                self._feed_video(tag)
            else:
                self._feed_audio(tag)
        except ValueError as error:
            self.refusal = f"The encoder's stream cannot be decoded: it sends {error}."
        if self._first_timestamp is None:
            self._first_timestamp = tag.timestamp
        self._last_timestamp = max(self._last_timestamp, tag.timestamp)

    @property
    def has_video(self) -> bool:
        return self.avc is not None and not self._pictures_stay_away

    @property
    def has_audio(self) -> bool:
        return self._audio_codec is not None

    @property
    def is_complete(self) -> bool:
        """Whether all tracks that there are (or will be, as far as one can wait for them) are known."""
        if self.has_video and self.has_audio:
            return True
        if not (self.has_video or self.has_audio):
            return False
        pictures_alone = self.has_video and "videocodecid" in self._metadata and "audiocodecid" not in self._metadata
        limit_ms = UNANNOUNCED_SOUND_LIMIT_MS if pictures_alone else OTHER_TRACK_LIMIT_MS
        self._settled = self._settled or self._last_timestamp - (self._first_timestamp or 0) >= limit_ms
        return self._settled

    def forget_audio(self) -> None:
        """The sound stopped. It counts as there again with the next frame of it."""
        self._audio_codec = None

    def forget_video(self) -> None:
        """Pictures were announced, but none is there. They count as there again with the next keyframe."""
        self._pictures_stay_away = True

    def measure(self) -> Source:
        """The source as it is known by now. Sizes are as shown: pixels that are not square are counted as seen."""
        avc, aac = self.avc if self.has_video else None, self.aac
        width = round(avc.width * avc.sample_aspect[0] / avc.sample_aspect[1]) if avc else 0
        square = avc is not None and avc.sample_aspect[0] == avc.sample_aspect[1]
        codec: str | None = None
        if self.has_audio:
            codec = "aac_lc" if aac and aac.object_type == AAC_LC else self._audio_codec
        return Source(
            width=width,
            height=avc.height if avc else 0,
            frame_rate=self._frame_rate(),
            video_codec="h264" if avc else None,
            h264_profile_ok=avc is not None and avc.is_8_bit_420 and not avc.interlaced and square,
            video_bits_per_second=self._bits_per_second(self._video, "videodatarate"),
            audio_codec=codec,
            audio_sample_rate=aac.sample_rate if aac else 0,
            audio_channels=aac.channels if aac else 0,
            audio_bits_per_second=self._bits_per_second(self._audio, "audiodatarate"),
        )

    def _feed_video(self, tag: Tag) -> None:
        if tag.video_codec != "avc":
            name = _NAMES.get(tag.video_codec, tag.video_codec)
            self.refusal = f"The encoder sends {name} video, which cannot be played here. Set it to H.264."
        elif tag.is_sequence_header:
            self.avc = parse_configuration(tag.payload[5:])
        elif tag.is_media:
            self._pictures_stay_away = self._pictures_stay_away and not tag.is_keyframe
            self._video.add(tag)

    def _feed_audio(self, tag: Tag) -> None:
        codec = tag.audio_codec
        if codec not in ("aac", "mp3"):
            name = _NAMES.get(codec, codec)
            self.refusal = f"The encoder sends {name} audio, which cannot be played here. Set it to AAC."
        elif tag.is_sequence_header:
            self.aac = AacConfiguration.parse(tag.payload[2:])
            self._audio_codec = codec
        elif tag.is_media:
            if codec == "mp3":
                self.aac = None
            self._audio_codec = codec
            self._audio.add(tag)

    def _read_metadata(self, payload: bytes) -> None:
        try:
            values = amf0.decode_all(payload)
        except (amf0.MalformedAmf0, ValueError):
            return  # a hint that cannot be read is no hint
        if "onMetaData" in values[:2]:
            self._metadata = next((dict(value) for value in values if isinstance(value, dict)), {})

    def _hint(self, name: str) -> float | None:
        value = self._metadata.get(name)
        return value if isinstance(value, float) else None

    def _frame_rate(self) -> float:
        hints = (self._hint("framerate"), self._hint("fps"), self.avc.frame_rate if self.avc else None)
        hint = next((rate for rate in hints if rate and 1 <= rate <= 240), None)
        measured = self._video.frame_rate()
        if measured is None:
            return hint or _DEFAULT_FRAME_RATE
        if hint and abs(measured - hint) < hint * 0.1:
            return hint  # timestamps in whole milliseconds are no better than this
        return round(measured, 2)

    def _bits_per_second(self, meter: _Meter, hint: str) -> int:
        measured = meter.bits_per_second()
        return round((self._hint(hint) or 0) * 1000) if measured is None else measured

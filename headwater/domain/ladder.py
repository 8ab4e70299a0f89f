"""Stage 4 · which renditions a source becomes. Never upscales, keeps the aspect, and copies what is already good.

Rungs are counted on the short side, so a vertical phone video gets the same ladder as a horizontal one. Bitrates are bits
per second.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

COPY_BITRATE_ALLOWANCE = 1.5  # a source may exceed its rung's cap by this before it is encoded anew
RATE_CAP = 1.1  # the encoder's maxrate over its target; the buffer holds one second of the target
FULL_RATE_LIMIT = 60.0
HALF_RATE_LIMIT = 30.0
FRAME_RATE_TOLERANCE = 1.01  # 59.94 and a measured 60.02 are both "60"

AUDIO_BITS_PER_SECOND = 128_000
AUDIO_SAMPLE_RATE = 48_000
AUDIO_COPY_LIMIT = 192_000
AUDIO_COPY_RATES = (44_100, 48_000)
MIN_SIDE = 2


@dataclass(frozen=True, slots=True)
class Source:
    """What was measured of the encoder's output. A codec is None when the source has no such track.

    Width and height are as shown, after rotation. A bitrate of 0 means that it is not known.
    """

    width: int
    height: int
    frame_rate: float
    video_codec: str | None  # "h264"
    h264_profile_ok: bool  # 8 bits, 4:2:0
    video_bits_per_second: int
    audio_codec: str | None  # "aac_lc"
    audio_sample_rate: int
    audio_channels: int
    audio_bits_per_second: int


@dataclass(frozen=True, slots=True)
class Rung:
    """One video rendition. `max_frame_rate` None: every frame of the source. `copy`: the source's own samples.

    For a copied rung the rates are what its target would be, for manifests that must announce it before it is measured.
    """

    track_id: str
    width: int
    height: int
    max_frame_rate: float | None
    bits_per_second: int
    max_bits_per_second: int
    buffer_bits: int
    copy: bool


@dataclass(frozen=True, slots=True)
class AudioRung:
    """The audio rendition that all video renditions share."""

    track_id: str
    copy: bool
    sample_rate: int
    channels: int
    bits_per_second: int


@dataclass(frozen=True, slots=True)
class _Step:
    short_side: int
    bits_per_second: int
    frame_rate_limit: float


_LADDER = (
    _Step(1080, 5_000_000, FULL_RATE_LIMIT),
    _Step(720, 2_800_000, FULL_RATE_LIMIT),
    _Step(480, 1_400_000, HALF_RATE_LIMIT),
    _Step(360, 800_000, HALF_RATE_LIMIT),
)
_LOWEST = _LADDER[-1]
_MIN_BITS_PER_SECOND = 100_000


def choose_ladder(source: Source, *, copy_allowed: bool) -> tuple[Rung, ...]:
    """The video renditions of `source`, highest first; none when it has no video.

    `copy_allowed` says that its keyframes come often enough to be cut into segments as they are (measured by the worker).
    """
    if source.video_codec is None:
        return ()
    short_side = min(source.width, source.height)
    if short_side < MIN_SIDE:
        raise ValueError(f"a picture of {source.width}×{source.height} cannot be encoded")
    steps = [step for step in _LADDER if step.short_side <= short_side]
    top = _top_step(short_side)
    if not steps or top.short_side != steps[0].short_side:
        steps.insert(0, top)
    copied = copy_allowed and _may_copy(source, steps[0])
    return tuple(_rung(source, step, copy=copied and index == 0) for index, step in enumerate(steps))


def choose_audio(source: Source) -> AudioRung | None:
    """The audio rendition of `source`: copied when it is AAC-LC that everyone plays, else 48 kHz stereo."""
    if source.audio_codec is None:
        return None
    if (
        source.audio_codec == "aac_lc"
        and source.audio_sample_rate in AUDIO_COPY_RATES
        and 1 <= source.audio_channels <= 2
        and source.audio_bits_per_second <= AUDIO_COPY_LIMIT
    ):
        rate = source.audio_bits_per_second or AUDIO_BITS_PER_SECOND
        return AudioRung("audio", True, source.audio_sample_rate, source.audio_channels, rate)
    return AudioRung("audio", False, AUDIO_SAMPLE_RATE, 2, AUDIO_BITS_PER_SECOND)


def _top_step(short_side: int) -> _Step:
    """The rung of the source's own size: between two rungs, its bitrate lies between theirs by the number of pixels."""
    if short_side >= _LADDER[0].short_side:
        return _LADDER[0]
    even = short_side - short_side % 2
    if even < _LOWEST.short_side:
        share = (even / _LOWEST.short_side) ** 2
        return _Step(even, max(_MIN_BITS_PER_SECOND, _round(_LOWEST.bits_per_second * share)), HALF_RATE_LIMIT)
    upper, lower = next(
        (above, below) for above, below in itertools.pairwise(_LADDER) if below.short_side <= even < above.short_side
    )
    share = (even**2 - lower.short_side**2) / (upper.short_side**2 - lower.short_side**2)
    bits = lower.bits_per_second + share * (upper.bits_per_second - lower.bits_per_second)
    limit = lower.frame_rate_limit if even == lower.short_side else upper.frame_rate_limit
    return _Step(even, _round(bits), limit)


def _may_copy(source: Source, step: _Step) -> bool:
    return (
        source.video_codec == "h264"
        and source.h264_profile_ok
        and min(source.width, source.height) <= _LADDER[0].short_side
        and source.width % 2 == 0
        and source.height % 2 == 0
        and source.frame_rate <= step.frame_rate_limit * FRAME_RATE_TOLERANCE
        and source.video_bits_per_second <= step.bits_per_second * RATE_CAP * COPY_BITRATE_ALLOWANCE
    )


def _rung(source: Source, step: _Step, *, copy: bool) -> Rung:
    short_side = min(source.width, source.height)
    scale = step.short_side / short_side
    width, height = (_even(side, scale) for side in (source.width, source.height))
    limited = source.frame_rate > step.frame_rate_limit * FRAME_RATE_TOLERANCE
    return Rung(
        track_id=f"{step.short_side}p",
        width=width,
        height=height,
        max_frame_rate=step.frame_rate_limit if limited else None,
        bits_per_second=step.bits_per_second,
        max_bits_per_second=round(step.bits_per_second * RATE_CAP),
        buffer_bits=step.bits_per_second,
        copy=copy,
    )


def _even(side: int, scale: float) -> int:
    """The even number nearest to `side` × `scale`, never above `side`: `yuv420p` has no odd sizes."""
    return max(MIN_SIDE, min(2 * round(side * scale / 2), side - side % 2))


def _round(bits: float) -> int:
    return round(bits / 1000) * 1000

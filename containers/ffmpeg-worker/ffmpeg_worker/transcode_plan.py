"""Stage 4 · what one FFmpeg process is asked to make of a source: the rungs, the sound, and who places the keyframes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from headwater.domain.ladder import AudioRung, Rung, Source, choose_audio, choose_ladder
from headwater.domain.worker_size import millicpu_needed


class Keyframes(StrEnum):
    SOURCE = "source"  # encoded rungs follow the source's, so they can be cut where a copied rung is
    FORCED = "forced"  # the source's are too far apart: every rung is encoded, with one at the start of each 2 s


@dataclass(frozen=True, slots=True)
class TranscodePlan:
    rungs: tuple[Rung, ...]  # highest first; empty without video
    audio: AudioRung | None
    keyframes: Keyframes
    frame_rate: float  # the source's
    deinterlace: bool = False
    shown_from_ms: int | None = None  # pictures before this are decoded, because later ones need them, but not shown

    @property
    def track_ids(self) -> tuple[str, ...]:
        return tuple(rung.track_id for rung in self.rungs) + ((self.audio.track_id,) if self.audio else ())

    @property
    def encoded_track_ids(self) -> tuple[str, ...]:
        """The tracks that FFmpeg makes. The others are the source's own frames, and never pass through it."""
        encoded = tuple(rung.track_id for rung in self.rungs if not rung.copy)
        return encoded + ((self.audio.track_id,) if self.audio and not self.audio.copy else ())

    @property
    def copied_video(self) -> str | None:
        return next((rung.track_id for rung in self.rungs if rung.copy), None)

    @property
    def copied_audio(self) -> str | None:
        return self.audio.track_id if self.audio and self.audio.copy else None

    @property
    def encodes_video(self) -> bool:
        return any(not rung.copy for rung in self.rungs)

    @property
    def encodes_audio(self) -> bool:
        return self.audio is not None and not self.audio.copy

    @property
    def needs_ffmpeg(self) -> bool:
        """For thumbnails, if for nothing else."""
        return bool(self.rungs) or self.encodes_audio

    @property
    def millicpu(self) -> int:
        """What it takes of a machine, on average."""
        pixels = {rung: rung.width * rung.height * self.frame_rate_of(rung) for rung in self.rungs}
        decoded = max((rung.width * rung.height * self.frame_rate for rung in self.rungs), default=0.0)
        return millicpu_needed(decoded, sum(each for rung, each in pixels.items() if not rung.copy))

    def frame_rate_of(self, rung: Rung) -> float:
        return min(self.frame_rate, rung.max_frame_rate or self.frame_rate)


def plan_transcode(
    source: Source, keyframes: Keyframes, *, deinterlace: bool = False, leave_out: Collection[str] = ()
) -> TranscodePlan:
    """Copies the top rung where that is allowed. `leave_out` names rungs that shall not be, unless none would be left.

    Raises ValueError for a picture too small to encode.
    """
    ladder = choose_ladder(source, copy_allowed=keyframes is Keyframes.SOURCE)
    return TranscodePlan(
        rungs=tuple(rung for rung in ladder if rung.track_id not in leave_out) or ladder[-1:],
        audio=choose_audio(source),
        keyframes=keyframes,
        frame_rate=source.frame_rate,
        deinterlace=deinterlace,
    )


def copies_too_much(plan: TranscodePlan, source: Source) -> bool:
    """Whether something is copied that would not be, had `source` been known as well as it is by now."""
    video_copied = any(rung.copy for rung in choose_ladder(source, copy_allowed=True))
    audio = choose_audio(source)
    audio_copied = audio is not None and audio.copy
    return (plan.copied_video is not None and not video_copied) or (plan.copied_audio is not None and not audio_copied)

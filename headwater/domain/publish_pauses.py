"""Stage 2 · how long nobody may publish after a broadcast has ended: encoders come back at once, wanted or not. Pure."""

from __future__ import annotations

from headwater.domain.broadcast import Broadcast, EndReason, StreamControl

# An encoder that was dropped by `stop` is gone within three seconds; OBS knocks two seconds later, FFmpeg in a loop at once.
STOPPED_PAUSE_MS = 6_000
REFUSED_PAUSE_MS = 10_000  # without a pause each attempt would be a broadcast of its own
FAILED_PAUSE_MS = 15_000  # doubles while nothing but failures follow each other: each can cost several workers
FAILED_PAUSE_LONGEST_MS = 300_000
FAILED_AT_ONCE_MS = 600_000  # a broadcast that failed later than this had worked: the row begins with it


def pause_after(control: StreamControl, ended: Broadcast) -> int:
    """How long nobody may publish after `ended`, in ms."""
    match ended.end_reason:
        case EndReason.TRANSCODE_FAILED:
            return min(FAILED_PAUSE_MS << min(max(control.failures - 1, 0), 10), FAILED_PAUSE_LONGEST_MS)
        case EndReason.SOURCE_REFUSED:
            return REFUSED_PAUSE_MS
        case EndReason.STOPPED:
            return STOPPED_PAUSE_MS if ended.encoder_dropped else 0
    return 0


def failures_after(control: StreamControl, ended: Broadcast, reason: EndReason, now: int) -> int:
    """How many broadcasts in a row have ended because they could not be transcoded, with this one."""
    if reason is not EndReason.TRANSCODE_FAILED:
        return 0
    return 1 + (control.failures if now - ended.started_at < FAILED_AT_ONCE_MS else 0)

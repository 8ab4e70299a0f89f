"""Where the publisher's clock jumps, and where only sound and pictures come apart."""

from __future__ import annotations

import pytest

from ffmpeg_worker.source_clock import SourceClock
from headwater.media.flv import Tag, TagKind


def _jumps(*frames: tuple[str, int]) -> list[int]:
    """At which of the frames, each a kind and a time, the clock jumps."""
    clock, found = SourceClock(), []
    for number, (kind, timestamp) in enumerate(frames):
        tag = Tag(TagKind.VIDEO if kind == "picture" else TagKind.AUDIO, timestamp, b"frame")
        if clock.jumps(tag):
            found.append(number)
            clock.reset()
        clock.feed(tag)
    return found


@pytest.mark.parametrize("to", [0, 500_000, 1_090_000])
def test_a_clock_that_goes_back_or_far_ahead_jumps_once(to: int) -> None:
    before = [("sound", 1_100_000), ("picture", 1_100_010), ("sound", 1_100_021)]
    after = [("picture", to + 20), ("sound", to + 25), ("picture", to + 53)]
    assert _jumps(*before, *after) == [3]
    assert _jumps(*after, *before) == [3]


@pytest.mark.parametrize("late_ms", [0, 1500, 4000, 8000])
@pytest.mark.parametrize("late", ["picture", "sound"])
def test_a_track_that_is_always_late_is_no_jump(late: str, late_ms: int) -> None:
    frames = [(kind, at) for at in range(0, 60_000, 500) for kind in ("picture", "sound")]
    frames.sort(key=lambda frame: frame[1] + (late_ms if frame[0] == late else 0))
    assert _jumps(*frames) == []


def test_a_track_that_pauses_while_the_other_goes_on_is_no_jump() -> None:
    sound = [("sound", at) for at in range(0, 30_000, 1000)]
    assert _jumps(("picture", 0), *sound, ("picture", 29_500), ("sound", 30_000)) == []

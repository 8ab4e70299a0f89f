"""Where segments are cut: from keyframe times alone, never longer than 2.46 s."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_worker.segment_cutter import MAX_SEGMENT_MS, Boundary, KeyframesTooFarApart, SegmentCutter


def _cuts(keyframes: list[int]) -> list[int]:
    cutter = SegmentCutter(Boundary(keyframes[0], keyframes[0]))
    return [cut.shown_at for at in keyframes for cut in cutter.keyframe(Boundary(at, at))]


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (2000, [2000, 4000, 6000]),
        (1000, [2000, 4000, 6000]),
        (500, [2000, 4000, 6000]),
        (1500, [1500, 3000, 4500, 6000]),
        (1200, [2400, 4800]),
        (2400, [2400, 4800]),
        (33, [1782, 3564, 5346]),
    ],
)
def test_regular_keyframes_make_regular_segments(interval: int, expected: list[int]) -> None:
    assert _cuts(list(range(0, 6001, interval))) == expected


def test_a_keyframe_that_came_too_early_is_cut_at_when_the_next_one_is_late() -> None:
    cutter = SegmentCutter(Boundary(0, 0))
    assert cutter.keyframe(Boundary(400, 400)) == []
    assert cutter.reach(2460) == []
    assert cutter.reach(2470) == [Boundary(400, 400)]
    assert cutter.keyframe(Boundary(2500, 2500)) == [Boundary(2500, 2500)]


def test_a_source_without_a_keyframe_in_time_cannot_be_cut() -> None:
    cutter = SegmentCutter(Boundary(0, 0))
    cutter.reach(MAX_SEGMENT_MS)
    with pytest.raises(KeyframesTooFarApart):
        cutter.reach(MAX_SEGMENT_MS + 1)


def test_the_keyframe_that_opens_the_segment_is_not_a_cut() -> None:
    cutter = SegmentCutter(Boundary(67, 0))
    assert cutter.keyframe(Boundary(67, 0)) == []
    assert cutter.keyframe(Boundary(2067, 2000)) == [Boundary(2067, 2000)]


@given(st.lists(st.integers(1, MAX_SEGMENT_MS), min_size=1, max_size=80))
def test_whatever_the_intervals_every_segment_is_short_enough_and_begins_at_a_keyframe(intervals: list[int]) -> None:
    keyframes = list(itertools.accumulate(intervals, initial=0))
    cuts = [0, *_cuts(keyframes)]
    assert set(cuts) <= set(keyframes)
    assert all(0 < after - before <= MAX_SEGMENT_MS for before, after in itertools.pairwise(cuts))

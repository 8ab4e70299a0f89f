"""What happened when, and where a recording shows it: pauses, clocks that jump, and the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.api.use_cases.chat_replay import AFTERWARDS_MS, moments_of, offset_of
from headwater.media.moments import moment_at, seconds_at
from headwater.media.timeline import Epoch
from tests.timelines import WALL, epoch

EPOCHS = (epoch(1, "720p", media_start_ms=5_000), epoch(2, "720p", begins_ms=10_000))  # begun 100 s later


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [(-60_000, 0.0), (0, 0.0), (3_000, 3.0), (50_000, 10.0), (100_000, 10.0), (104_000, 14.0), (130_000, 40.0)],
)
def test_a_moment_is_found_on_the_clock_of_its_epoch(moment: int, seconds: float) -> None:
    assert seconds_at(EPOCHS, WALL + moment) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("seconds", "moment"), [(0.0, 0), (0.0001, 1), (3.0, 3_000), (10.0, 10_000), (10.001, 100_001), (40.0, 130_000)]
)
def test_the_recording_is_so_far_from_one_moment_on(seconds: float, moment: int) -> None:
    assert moment_at(EPOCHS, seconds) == WALL + moment


@st.composite
def broadcasts(draw: st.DrawFn) -> tuple[tuple[Epoch, ...], float]:
    """Epochs of 1 to 30 s with pauses between them, or clocks that go back by less than an epoch; and how long it all is."""
    made: list[Epoch] = []
    begins, wall = 0, WALL
    for number in range(1, draw(st.integers(1, 4)) + 1):
        lasts = draw(st.integers(1_000, 30_000))
        made.append(epoch(number, "720p", wall_start_ms=wall, begins_ms=begins))
        begins += lasts
        wall += max(1, lasts + draw(st.integers(-20_000, 60_000)))
    return tuple(made), begins / 1000


@given(broadcasts(), st.integers(0, 130_000), st.integers(0, 60_000), st.integers(-5_000, 300_000), st.booleans())
def test_what_is_asked_for_by_the_second_is_what_was_said_in_those_seconds(
    broadcast: tuple[tuple[Epoch, ...], float], start: int, length: int, said: int, to_the_end: bool
) -> None:
    epochs, duration = broadcast
    first, until = start / 1000, None if to_the_end else (start + length) / 1000
    found = moments_of(epochs, duration, first, until)
    moment = WALL + said
    over = moment_at(epochs, duration) + AFTERWARDS_MS
    offset = offset_of(epochs, duration, moment)
    belongs = WALL <= moment < over and first <= offset and (until is None or offset < until)
    if found is None:
        assert not belongs
    else:
        assert found[1] is not None
        assert belongs == (found[0] <= moment < found[1])


def test_a_broadcast_that_goes_on_has_no_end_and_one_without_media_nothing() -> None:
    assert moments_of(EPOCHS, None, 3.0, None) == (WALL + 3_000, None)
    assert moments_of(EPOCHS, None, 3.0, 1e6) == (WALL + 3_000, WALL + 100_000 + 1_000_000_000 - 10_000)
    assert moments_of((), 12.0, 0.0, None) is None

"""When a machine counts as too slow for what it transcodes."""

from __future__ import annotations

from collections.abc import Callable

from ffmpeg_worker.pace import LATE_SECONDS, WINDOW_SECONDS, Pace


def too_slow_after(
    speed: Callable[[float], float], *, late: float = LATE_SECONDS + 1, idle_every: float | None = None
) -> float | None:
    """Looked at four times a second for five minutes, beginning `late` seconds behind."""
    pace, reached = Pace(), 0.0
    for tick in range(1200):
        now = tick / 4
        busy = idle_every is None or now % idle_every > 0
        if pace.is_too_slow(1000 + now, reached * 1000, late_seconds=late + now - reached, is_busy=busy):
            return now
        reached += speed(now) / 4
    return None


def test_it_is_when_less_comes_of_it_than_is_published_and_that_is_late() -> None:
    assert too_slow_after(lambda now: 0.9) == WINDOW_SECONDS
    assert too_slow_after(lambda now: 0.0) == WINDOW_SECONDS
    assert too_slow_after(lambda now: 0.5, late=0) == 3 * WINDOW_SECONDS, "not before anybody waits"


def test_it_is_not_while_it_catches_up_however_late_it_is() -> None:
    assert too_slow_after(lambda now: 1.0, late=60) is None
    assert too_slow_after(lambda now: 3.0, late=60) is None


def test_it_is_not_for_a_slow_moment_while_it_is_better_off_than_when_it_began() -> None:
    assert too_slow_after(lambda now: 0.6 if 60 < now < 90 else 1.3, late=50) is None
    assert too_slow_after(lambda now: 0.6 if now > 60 else 1.3, late=50) is not None


def test_it_is_not_when_it_had_nothing_to_do_now_and_then() -> None:
    assert too_slow_after(lambda now: 0.5, idle_every=WINDOW_SECONDS - 1) is None


def test_it_is_not_where_the_clocks_of_node_and_worker_disagree() -> None:
    assert too_slow_after(lambda now: 0.5, late=1_800_000_000) is None
    assert too_slow_after(lambda now: 0.5, late=-3600) is None

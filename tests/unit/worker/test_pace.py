"""When a machine counts as too slow for what it transcodes."""

from __future__ import annotations

from ffmpeg_worker.pace import LATE_SECONDS, WINDOW_SECONDS, Pace


def too_slow(
    speed: float, *, late: float = LATE_SECONDS + 1, idle_every: float | None = None, seconds: int = 60
) -> bool:
    """Looked at four times a second."""
    pace = Pace()
    for tick in range(seconds * 4):
        now = tick / 4
        busy = idle_every is None or now % idle_every > 0
        if pace.is_too_slow(1000 + now, speed * now * 1000, late_seconds=late, is_busy=busy):
            return True
    return False


def test_it_is_when_less_comes_of_it_than_was_published_and_that_is_late() -> None:
    assert too_slow(0.9)
    assert too_slow(0.0)


def test_it_is_not_while_it_catches_up_however_late_it_is() -> None:
    assert not too_slow(1.0, late=60)
    assert not too_slow(3.0, late=60)


def test_it_is_not_before_anybody_waits() -> None:
    assert not too_slow(0.5, late=LATE_SECONDS - 1)


def test_it_is_not_when_it_had_nothing_to_do_now_and_then() -> None:
    assert not too_slow(0.5, idle_every=WINDOW_SECONDS - 1)


def test_it_is_not_where_the_clocks_of_node_and_worker_disagree() -> None:
    assert not too_slow(0.5, late=1_800_000_000)
    assert not too_slow(0.5, late=-3600)

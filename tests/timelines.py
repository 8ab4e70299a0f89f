"""Timelines for tests: by hand, and generated ones with everything that can happen to a broadcast's media."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from headwater.domain.ids import BroadcastId, StreamId
from headwater.media.timeline import Epoch, Segment, Timeline, Track, TrackKind, TrackSegment

STREAM = StreamId("stream")
BROADCAST = BroadcastId("broadcast")
WALL = 1_790_000_000_000  # Unix ms: 2026-09-21T14:13:20Z

RUNGS = {
    "1080p": Track(
        "1080p", TrackKind.VIDEO, "avc1.640028", 90_000, 1920, 1080, 60.0, declared_bits_per_second=5_500_000
    ),
    "720p": Track("720p", TrackKind.VIDEO, "avc1.64001f", 90_000, 1280, 720, 30.0, declared_bits_per_second=3_080_000),
    "480p": Track("480p", TrackKind.VIDEO, "avc1.64001e", 90_000, 854, 480, 30.0, declared_bits_per_second=1_540_000),
    "360p": Track("360p", TrackKind.VIDEO, "avc1.64001e", 90_000, 640, 360, 30.0, declared_bits_per_second=880_000),
}
AUDIO = Track(
    "audio",
    TrackKind.AUDIO,
    "mp4a.40.2",
    48_000,
    channels=2,
    sample_rate=48_000,
    declared_bits_per_second=128_000,
)


def tracks(*track_ids: str) -> tuple[Track, ...]:
    return tuple(AUDIO if track_id == "audio" else RUNGS[track_id] for track_id in track_ids)


def epoch(
    number: int,
    *track_ids: str,
    media_start_ms: int = 0,
    wall_start_ms: int | None = None,
    first_sequence: int = 0,
    begins_ms: int = 0,
) -> Epoch:
    wall = WALL + (number - 1) * 100_000 if wall_start_ms is None else wall_start_ms
    return Epoch(number, number, media_start_ms, wall, tracks(*track_ids), first_sequence, begins_ms)


def segments(
    of: Epoch,
    durations_ms: Sequence[int],
    *,
    first_sequence: int = 0,
    missing: frozenset[tuple[int, str]] = frozenset(),
) -> tuple[Segment, ...]:
    """Contiguous segments of `of`; video ends on the millisecond, audio at the end of the frame that holds it. Every byte
    count is 1000 bits a millisecond. `missing` holds (index in the epoch, track id)."""
    made = []
    start = of.media_start_ms
    for index, length in enumerate(durations_ms):
        parts = {}
        for track in of.tracks:
            begins, ends = (_cut(track, time) for time in (start, start + length))
            parts[track.track_id] = TrackSegment(
                begins, ends - begins, length * 125, (index, track.track_id) in missing
            )
        made.append(Segment(first_sequence + index, of.number, start, parts))
        start += length
    return tuple(made)


def _cut(track: Track, time_ms: int) -> int:
    ticks = time_ms * track.timescale // 1000
    return -(-ticks // 1024) * 1024 if track.kind is TrackKind.AUDIO else ticks


def timeline(*parts: tuple[Epoch, Sequence[int]]) -> Timeline:
    """A broadcast of these epochs, each with the lengths of its segments in milliseconds."""
    made: list[Segment] = []
    for part, durations_ms in parts:
        made += segments(part, durations_ms, first_sequence=len(made))
    return Timeline(STREAM, BROADCAST, tuple(part for part, _ in parts), tuple(made))


@st.composite
def generated_timelines(draw: st.DrawFn) -> Timeline:
    """Up to five epochs whose tracks differ, of up to twenty segments of 0.3 to 2.4 s, some of them not stored."""
    epochs: list[Epoch] = []
    made: list[Segment] = []
    wall = WALL
    recorded_ms = 0
    for number in range(1, draw(st.integers(1, 5)) + 1):
        rungs = draw(st.lists(st.sampled_from(sorted(RUNGS)), unique=True, max_size=4))
        rungs.sort(key=lambda rung: -RUNGS[rung].height)
        ids = [*rungs, "audio"] if not rungs or draw(st.booleans()) else rungs
        media_start_ms = draw(st.sampled_from([0, 67, 2_000, 123_457, 2**32 - 1_000]))
        durations = draw(st.lists(st.integers(300, 2_400), min_size=1, max_size=20))
        gone = draw(st.frozensets(st.tuples(st.integers(0, len(durations) - 1), st.sampled_from(ids)), max_size=3))
        place = {"first_sequence": len(made), "begins_ms": recorded_ms}
        epochs.append(epoch(number, *ids, media_start_ms=media_start_ms, wall_start_ms=wall, **place))
        recorded_ms += sum(durations)
        made += segments(epochs[-1], durations, first_sequence=len(made), missing=gone)
        wall += sum(durations) + draw(st.integers(0, 60_000))
    return Timeline(STREAM, BROADCAST, tuple(epochs), tuple(made))

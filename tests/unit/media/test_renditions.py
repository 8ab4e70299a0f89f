"""What viewers are offered, and what it takes, measured."""

from __future__ import annotations

from dataclasses import replace

from headwater.media.renditions import Bitrate, duration_seconds, measure_bitrate, rendition_ids, serving_track
from headwater.media.timeline import Timeline
from tests.timelines import BROADCAST, STREAM, epoch, segments, timeline


def with_bytes(whole: Timeline, *sizes: int) -> Timeline:
    made = [
        replace(segment, tracks={name: replace(part, bytes=size) for name, part in segment.tracks.items()})
        for segment, size in zip(whole.segments, sizes, strict=True)
    ]
    return replace(whole, segments=tuple(made))


def test_renditions_come_highest_first_and_sound_last() -> None:
    epochs = (epoch(1, "360p", "audio"), epoch(2, "1080p", "480p", "360p", "audio"))
    assert rendition_ids(epochs) == ("1080p", "480p", "360p", "audio")


def test_the_nearest_rendition_serves_and_of_two_equally_near_the_smaller() -> None:
    assert getattr(serving_track(epoch(1, "1080p", "480p"), "720p"), "track_id", None) == "480p"
    assert getattr(serving_track(epoch(1, "720p", "480p"), "600p"), "track_id", None) == "480p"
    assert serving_track(epoch(1, "audio"), "720p") is None
    assert serving_track(epoch(1, "720p"), "audio") is None


def test_the_peak_is_that_of_any_run_of_about_a_target_duration() -> None:
    one = with_bytes(timeline((epoch(1, "720p"), [2_000, 2_000, 2_000])), 250_000, 1_000_000, 250_000)
    assert measure_bitrate(one, "720p") == Bitrate(average=2_000_000, peak=4_000_000)


def test_a_short_segment_counts_for_the_peak_only_together_with_its_neighbours() -> None:
    one = with_bytes(timeline((epoch(1, "720p"), [2_000, 400])), 250_000, 200_000)
    assert measure_bitrate(one, "720p").peak == (250_000 + 200_000) * 8 / 2.4


def test_what_is_not_stored_is_not_measured() -> None:
    part = epoch(1, "720p")
    made = segments(part, [2_000, 2_000], missing=frozenset({(0, "720p")}))
    holed = Timeline(STREAM, BROADCAST, (part,), made)
    assert measure_bitrate(holed, "720p") == Bitrate(1_000_000, 1_000_000)
    assert measure_bitrate(replace(holed, segments=made[:1]), "720p") == Bitrate(0, 0)
    assert duration_seconds(holed) == 4.0, "but it lasts"


def test_a_rendition_is_measured_on_what_serves_it() -> None:
    two = with_bytes(timeline((epoch(1, "720p"), [2_000]), (epoch(2, "360p"), [2_000])), 500_000, 100_000)
    assert measure_bitrate(two, "720p") == Bitrate(average=1_200_000, peak=2_000_000)

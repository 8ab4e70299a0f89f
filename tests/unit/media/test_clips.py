"""A clip is whole segments of a broadcast, named by manifests in a folder of their own."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

import m3u8
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.media import object_keys
from headwater.media.clips import Cut, cut, manifests
from headwater.media.renditions import reference_part
from headwater.media.timeline import Segment, Timeline
from tests.timelines import BROADCAST, STREAM, WALL, epoch, generated_timelines, segments

FIRST = epoch(1, "720p", "audio", media_start_ms=5_000)
SECOND = epoch(2, "360p", "audio", media_start_ms=0, first_sequence=5, begins_ms=10_000)
TIMELINE = Timeline(
    STREAM,
    BROADCAST,
    (FIRST, SECOND),
    (*segments(FIRST, [2_000] * 5), *segments(SECOND, [2_000] * 5, first_sequence=5)),
)


class Read:
    """The segments of a timeline; counts how many were looked at."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.reads = 0

    def newest(self) -> int | None:
        return self.timeline.segments[-1].sequence if self.timeline.segments else None

    def at(self, sequence: int) -> Segment:
        self.reads += 1
        return self.timeline.segments[sequence]

    def onwards(self, sequence: int) -> Iterator[Segment]:
        for segment in self.timeline.segments[sequence:]:
            self.reads += 1
            yield segment


def cut_of(timeline: Timeline, start: float, duration: float) -> Cut | None:
    return cut(timeline.stream_id, timeline.broadcast_id, timeline.epochs, Read(timeline), start, duration)


@pytest.mark.parametrize(
    ("start", "duration", "begins", "lasts", "first", "count"),
    [
        (0.0, 2.0, 0.0, 2.0, 0, 1),
        (2.0, 4.0, 2.0, 4.0, 1, 2),
        (3.0, 4.0, 2.0, 6.0, 1, 3),
        (9.0, 2.0, 8.0, 4.0, 4, 2),  # over the border of two epochs
        (19.5, 60.0, 18.0, 2.0, 9, 1),  # the broadcast ends
        (0.0, 60.0, 0.0, 20.0, 0, 10),
    ],
)
def test_a_clip_holds_what_was_wanted_and_less_than_a_segment_more_at_either_end(
    start: float, duration: float, begins: float, lasts: float, first: int, count: int
) -> None:
    found = cut_of(TIMELINE, start, duration)
    assert found is not None
    assert (found.start_seconds, found.duration_seconds) == pytest.approx((begins, lasts))
    assert [segment.sequence for segment in found.timeline.segments] == list(range(first, first + count))
    assert {epoch.number for epoch in found.timeline.epochs} == {s.epoch for s in found.timeline.segments}


@pytest.mark.parametrize("start", [20.0, 21.0, 1e6])
def test_after_the_end_there_is_nothing_to_clip(start: float) -> None:
    assert cut_of(TIMELINE, start, 30.0) is None
    assert cut_of(Timeline(STREAM, BROADCAST), start, 30.0) is None


@given(generated_timelines(), st.integers(0, 120_000), st.integers(1, 60_000))
def test_whatever_happened_to_a_broadcast_a_clip_is_what_was_recorded_at_that_time(
    timeline: Timeline, start_ms: int, length_ms: int
) -> None:
    found = cut_of(timeline, start_ms / 1000, length_ms / 1000)
    epochs = {each.number: each for each in timeline.epochs}
    begins = [
        epochs[each.epoch].begins_ms + each.start_ms - epochs[each.epoch].media_start_ms for each in timeline.segments
    ]
    ends = [*begins[1:], begins[-1] + round(1000 * length_of(timeline, -1))]
    there = [n for n, (b, e) in enumerate(zip(begins, ends, strict=True)) if e > start_ms and b < start_ms + length_ms]
    chosen = [] if found is None else [each.sequence for each in found.timeline.segments]
    # The sound's last frame reaches a little into what follows.
    assert set(there) - set(chosen) == set()
    assert len(set(chosen) - set(there)) <= 1
    assert found is None or found.start_seconds == begins[chosen[0]] / 1000


def length_of(timeline: Timeline, index: int) -> float:
    segment = timeline.segments[index]
    reference = reference_part(segment, timeline.epoch(segment.epoch))
    assert reference is not None
    return reference[1].duration / reference[0].timescale


def test_of_half_a_day_only_a_few_segments_are_read() -> None:
    long = epoch(1, "720p", "audio")
    read = Read(Timeline(STREAM, BROADCAST, (long,), segments(long, [2_000] * 21_600)))
    found = cut(STREAM, BROADCAST, (long,), read, 40_001.0, 60.0)
    assert found is not None
    assert (found.start_seconds, found.duration_seconds) == (40_000.0, 62.0)
    assert read.reads < 60


def test_what_began_after_the_epochs_were_read_is_no_part_of_a_clip() -> None:
    found = cut(STREAM, BROADCAST, (FIRST,), Read(TIMELINE), 8.0, 60.0)
    assert found is not None
    assert [segment.sequence for segment in found.timeline.segments] == [4]
    assert cut(STREAM, BROADCAST, (FIRST,), Read(TIMELINE), 15.0, 60.0) is None


def test_the_manifests_name_the_broadcasts_own_segments_and_nothing_else() -> None:
    found = cut_of(TIMELINE, 9.0, 2.0)
    assert found is not None
    documents = manifests(found.timeline, "clip", WALL)
    folder = object_keys.clip(STREAM, BROADCAST, "clip", "")
    assert all(key.startswith(folder) for key in documents)
    assert list(documents)[-2:] == [f"{folder}index.m3u8", f"{folder}index.mpd"]
    multivariant = m3u8.loads(documents[f"{folder}index.m3u8"][0])
    named = {playlist.uri for playlist in multivariant.playlists} | {media.uri for media in multivariant.media}
    assert {f"{folder}{name}" for name in named} <= set(documents)
    playlist = m3u8.loads(documents[f"{folder}audio.m3u8"][0])
    assert playlist.is_endlist
    uris = [segment.uri for segment in playlist.segments] + [each.uri for each in playlist.segment_map]
    keys = {posixpath.normpath(folder + uri) for uri in uris}
    assert keys == {
        object_keys.media_segment(STREAM, BROADCAST, "audio", 1, 13_000),
        object_keys.media_segment(STREAM, BROADCAST, "audio", 2, 0),
        object_keys.init_segment(STREAM, BROADCAST, "audio", 1),
        object_keys.init_segment(STREAM, BROADCAST, "audio", 2),
    }
    assert 'media="../../$RepresentationID$/1-$Time$.m4s"' in documents[f"{folder}index.mpd"][0]
    assert not any(map(object_keys.is_media, documents))

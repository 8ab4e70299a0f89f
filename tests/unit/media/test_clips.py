"""A clip is whole segments of a broadcast, named by manifests in a folder of their own."""

from __future__ import annotations

import posixpath

import m3u8
import pytest

from headwater.media import object_keys
from headwater.media.clips import cut, manifests, seconds_at
from headwater.media.timeline import Timeline
from tests.timelines import BROADCAST, STREAM, WALL, epoch, segments

FIRST = epoch(1, "720p", "audio", media_start_ms=5_000)
SECOND = epoch(2, "360p", "audio", media_start_ms=0)
TIMELINE = Timeline(
    STREAM,
    BROADCAST,
    (FIRST, SECOND),
    (*segments(FIRST, [2_000] * 5), *segments(SECOND, [2_000] * 5, first_sequence=5)),
)


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
    found = cut(TIMELINE, start, duration)
    assert found is not None
    assert (found.start_seconds, found.duration_seconds) == pytest.approx((begins, lasts))
    assert [segment.sequence for segment in found.timeline.segments] == list(range(first, first + count))
    assert {epoch.number for epoch in found.timeline.epochs} == {s.epoch for s in found.timeline.segments}


@pytest.mark.parametrize("start", [20.0, 21.0, 1e6])
def test_after_the_end_there_is_nothing_to_clip(start: float) -> None:
    assert cut(TIMELINE, start, 30.0) is None
    assert cut(Timeline(STREAM, BROADCAST), start, 30.0) is None


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [(-60_000, 0.0), (0, 0.0), (3_000, 3.0), (50_000, 10.0), (100_000, 10.0), (104_000, 14.0), (900_000, 20.0)],
)
def test_a_moment_is_found_on_the_clock_of_its_epoch(moment: int, seconds: float) -> None:
    assert seconds_at(TIMELINE, WALL + moment) == pytest.approx(seconds)


def test_the_manifests_name_the_broadcasts_own_segments_and_nothing_else() -> None:
    found = cut(TIMELINE, 9.0, 2.0)
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

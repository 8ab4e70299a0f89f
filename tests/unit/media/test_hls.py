"""Playlists: golden texts, and what holds for every timeline and every step of a live window."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings

from headwater.media.hls import media_playlist, multivariant_playlist
from headwater.media.renditions import rendition_ids, serving_track
from headwater.media.timeline import LIVE_WINDOW_SEGMENTS, Timeline
from tests.rfc8216 import check_media_playlist, check_multivariant, check_succession
from tests.timelines import BROADCAST, STREAM, epoch, generated_timelines, segments, timeline


def lines(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


def upto(whole: Timeline, count: int) -> Timeline:
    """The timeline when it had its first `count` segments."""
    known = whole.segments[:count]
    numbers = {segment.epoch for segment in known}
    return replace(whole, segments=known, epochs=tuple(e for e in whole.epochs if e.number in numbers))


def test_a_live_playlist_of_two_epochs_reads_like_this() -> None:
    two = timeline(
        (epoch(1, "720p", "audio", media_start_ms=1_000), [2_000, 2_000]),
        (epoch(2, "720p", "audio", media_start_ms=0), [2_000, 1_500]),
    )
    assert (
        media_playlist(two, "720p", complete=False)
        == """\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="720p/1-init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:20.000Z
#EXTINF:2.000000,
720p/1-1000.m4s
#EXTINF:2.000000,
720p/1-3000.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="720p/2-init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:15:00.000Z
#EXTINF:2.000000,
720p/2-0.m4s
#EXTINF:1.500000,
720p/2-2000.m4s
"""
    )


def test_a_recording_reads_like_this() -> None:
    one = timeline((epoch(1, "720p", "audio"), [2_000, 1_000]))
    assert (
        media_playlist(one, "audio", complete=True)
        == """\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI="audio/1-init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:20.000Z
#EXTINF:2.005333,
audio/1-0.m4s
#EXTINF:1.002667,
audio/1-2000.m4s
#EXT-X-ENDLIST
"""
    )


def test_the_multivariant_playlist_reads_like_this() -> None:
    one = timeline((epoch(1, "720p", "360p", "audio"), [2_000, 2_000]))
    assert (
        multivariant_playlist(one, prefix="b/", complete=True)
        == """\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="b/audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1997340,AVERAGE-BANDWIDTH=1997340,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,\
FRAME-RATE=30.000,AUDIO="audio"
b/720p.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1997340,AVERAGE-BANDWIDTH=1997340,CODECS="avc1.64001e,mp4a.40.2",RESOLUTION=640x360,\
FRAME-RATE=30.000,AUDIO="audio"
b/360p.m3u8
"""
    )


def test_while_live_the_bandwidth_is_at_least_what_the_encoder_may_reach() -> None:
    dark = timeline((epoch(1, "720p", "audio"), [2_000]))
    assert "BANDWIDTH=4077340," in multivariant_playlist(dark)
    assert "BANDWIDTH=3208000," not in multivariant_playlist(dark, complete=True)


def test_video_only_has_no_audio_group_and_audio_only_no_resolution() -> None:
    silent = multivariant_playlist(timeline((epoch(1, "720p"), [2_000])))
    assert check_multivariant(silent) == []
    assert "AUDIO" not in silent and "mp4a" not in silent
    blind = multivariant_playlist(timeline((epoch(1, "audio"), [2_000])))
    assert check_multivariant(blind) == []
    assert 'CODECS="mp4a.40.2"' in blind and "RESOLUTION" not in blind
    assert blind.endswith("\naudio.m3u8\n")


def test_nothing_to_play_is_no_multivariant_playlist() -> None:
    with pytest.raises(ValueError, match="nothing to offer"):
        multivariant_playlist(Timeline(STREAM, BROADCAST))


def test_where_a_source_came_back_smaller_the_nearest_rendition_stands_in() -> None:
    shrunk = timeline((epoch(1, "1080p", "360p", "audio"), [2_000]), (epoch(2, "480p", "360p", "audio"), [2_000]))
    text = media_playlist(shrunk, "1080p", complete=False)
    assert lines(text, "1080p/") == ["1080p/1-0.m4s"]
    assert lines(text, "480p/") == ["480p/2-0.m4s"]
    assert '#EXT-X-MAP:URI="480p/2-init.mp4"' in text
    assert lines(multivariant_playlist(shrunk), "1080p") == [], "live, only what there is now"
    recording = multivariant_playlist(shrunk, complete=True)
    assert [line for line in recording.splitlines() if not line.startswith("#")] == [
        "1080p.m3u8",
        "480p.m3u8",
        "360p.m3u8",
    ]
    assert 'CODECS="avc1.64001e,avc1.640028,mp4a.40.2"' in recording, "all that the rendition's playlist will need"


def test_an_epoch_without_sound_is_a_gap_in_the_audio_playlist_as_long_as_the_picture() -> None:
    muted = timeline((epoch(1, "720p", "audio"), [2_000]), (epoch(2, "720p"), [1_999]))
    text = media_playlist(muted, "audio", complete=False)
    assert text.endswith("#EXT-X-GAP\n#EXTINF:1.999000,\naudio/2-0.m4s\n")
    assert "#EXT-X-VERSION:8" in text
    assert check_media_playlist(text) == []


def test_a_segment_that_could_not_be_stored_is_a_gap_in_its_rendition_only() -> None:
    one = epoch(1, "720p", "360p")
    holed = Timeline(STREAM, BROADCAST, (one,), segments(one, [2_000] * 3, missing=frozenset({(1, "720p")})))
    assert "#EXT-X-GAP\n#EXTINF:2.000000,\n720p/1-2000.m4s\n" in media_playlist(holed, "720p", complete=False)
    assert "GAP" not in media_playlist(holed, "360p", complete=False)


def test_the_live_window_is_the_newest_segments_and_keeps_count_of_what_left() -> None:
    long = timeline((epoch(1, "720p"), [2_000] * 20), (epoch(2, "720p"), [2_000] * 25))
    text = media_playlist(long, "720p", complete=False)
    assert len(lines(text, "#EXTINF")) == LIVE_WINDOW_SEGMENTS
    assert "#EXT-X-MEDIA-SEQUENCE:15\n" in text
    assert "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:50.000Z" in text
    longer = timeline((epoch(1, "720p"), [2_000] * 20), (epoch(2, "720p"), [2_000] * 30))
    text = media_playlist(longer, "720p", complete=False)
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:1\n" in text
    assert "#EXT-X-DISCONTINUITY" not in text.splitlines(), "the tag left together with the epoch before it"


def test_a_window_of_a_timeline_gives_the_same_playlist_as_the_whole_of_it() -> None:
    long = timeline((epoch(1, "720p"), [2_000] * 20), (epoch(2, "720p"), [2_000] * 25))
    window = replace(long, segments=long.segments[-LIVE_WINDOW_SEGMENTS:])
    assert media_playlist(window, "720p", complete=False) == media_playlist(long, "720p", complete=False)


@settings(max_examples=60)
@given(generated_timelines())
def test_every_version_of_every_playlist_obeys_the_rfc_and_follows_from_the_one_before(whole: Timeline) -> None:
    for rendition_id in rendition_ids(whole.epochs):
        versions = [
            media_playlist(replace(whole, segments=whole.segments[:count]), rendition_id, complete=False)
            for count in range(1, len(whole.segments) + 1)
        ]
        versions.append(media_playlist(whole, rendition_id, complete=True))
        for version in versions:
            assert check_media_playlist(version) == []
        for before, after in pairwise(versions):
            assert check_succession(before, after) == []


@settings(max_examples=60)
@given(generated_timelines())
def test_durations_add_up_to_the_samples_within_a_microsecond_an_epoch(whole: Timeline) -> None:
    for rendition_id in rendition_ids(whole.epochs):
        text = media_playlist(whole, rendition_id, complete=True)
        told = sum(Fraction(line[8:-1]) for line in lines(text, "#EXTINF:"))
        true = Fraction(0)
        for segment in whole.segments:
            in_epoch = whole.epoch(segment.epoch)
            track = serving_track(in_epoch, rendition_id) or in_epoch.tracks[0]
            true += Fraction(segment.tracks[track.track_id].duration, track.timescale)
        assert abs(told - true) <= Fraction(len(whole.epochs), 1_000_000)


@settings(max_examples=60)
@given(generated_timelines())
def test_every_multivariant_playlist_obeys_the_rfc_and_names_playlists_that_exist(whole: Timeline) -> None:
    for count in range(1, len(whole.segments) + 1):
        for complete in (False, True):
            text = multivariant_playlist(upto(whole, count), complete=complete)
            assert check_multivariant(text) == []
            named = [line.removesuffix(".m3u8") for line in text.splitlines() if not line.startswith("#")]
            assert set(named) <= set(rendition_ids(upto(whole, count).epochs))


@settings(max_examples=60)
@given(generated_timelines())
def test_a_recording_names_every_stored_segment_of_a_track_exactly_once_in_its_own_playlist(whole: Timeline) -> None:
    for rendition_id in rendition_ids(whole.epochs):
        text = media_playlist(whole, rendition_id, complete=True)
        named = lines(text.replace("#EXT-X-GAP\n#EXTINF", "#gap"), f"{rendition_id}/")
        for segment in whole.segments:
            part = segment.tracks.get(rendition_id)
            name = f"{rendition_id}/{segment.epoch}-{segment.start_ms}.m4s"
            if part is not None and not part.missing:
                assert named.count(name) == 1

"""The DASH manifest: golden text, and what ties it to the segments' names for every timeline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from headwater.media.dash import manifest
from headwater.media.timeline import LIVE_WINDOW_SEGMENTS, Timeline
from tests.timelines import BROADCAST, STREAM, WALL, epoch, generated_timelines, segments, timeline

NS = {"": "urn:mpeg:dash:schema:mpd:2011"}
NOW = WALL + 110_000


def parse(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)  # noqa: S314 - written by ourselves


def seconds(duration: str) -> float:
    match = re.fullmatch(r"PT([0-9.]+)S", duration)
    assert match, duration
    return float(match.group(1))


def named(mpd: ElementTree.Element) -> Iterator[tuple[str, str, int, int]]:
    """(representation, segment URI, `t`, `d`) of everything that a player would ask for, as it would expand it."""
    for adaptation in mpd.iterfind("Period/AdaptationSet", NS):
        for representation in adaptation.iterfind("Representation", NS):
            template = representation.find("SegmentTemplate", NS)
            template = adaptation.find("SegmentTemplate", NS) if template is None else template
            assert template is not None
            time = 0
            for entry in template.iterfind("SegmentTimeline/S", NS):
                time = int(entry.get("t", time))
                for _ in range(int(entry.get("r", "0")) + 1):
                    uri = template.attrib["media"].replace("$RepresentationID$", representation.attrib["id"])
                    yield representation.attrib["id"], uri.replace("$Time$", str(time)), time, int(entry.attrib["d"])
                    time += int(entry.attrib["d"])


def test_a_recording_of_two_epochs_reads_like_this() -> None:
    two = timeline(
        (epoch(1, "720p", "audio", media_start_ms=1_000), [2_000, 2_000, 1_500]),
        (epoch(2, "720p"), [2_000]),
    )
    assert (
        manifest(two, complete=True, now_ms=NOW)
        == """\
<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="static" \
minBufferTime="PT2S" maxSegmentDuration="PT2.500S" mediaPresentationDuration="PT7.500S">
  <Period id="1" start="PT0S" duration="PT5.500S">
    <AdaptationSet id="0" contentType="video" segmentAlignment="true" startWithSAP="1" mimeType="video/mp4">
      <SegmentTemplate timescale="1000" presentationTimeOffset="1000" \
initialization="$RepresentationID$/1-init.mp4" media="$RepresentationID$/1-$Time$.m4s">
        <SegmentTimeline>
          <S t="1000" d="2000" r="1"/>
          <S d="1500"/>
        </SegmentTimeline>
      </SegmentTemplate>
      <Representation id="720p" codecs="avc1.64001f" bandwidth="1000000" width="1280" height="720" frameRate="30"/>
    </AdaptationSet>
    <AdaptationSet id="1" contentType="audio" segmentAlignment="true" startWithSAP="1" mimeType="audio/mp4">
      <SegmentTemplate timescale="1000" presentationTimeOffset="1000" \
initialization="$RepresentationID$/1-init.mp4" media="$RepresentationID$/1-$Time$.m4s">
        <SegmentTimeline>
          <S t="1000" d="2000" r="1"/>
          <S d="1500"/>
        </SegmentTimeline>
      </SegmentTemplate>
      <Representation id="audio" codecs="mp4a.40.2" bandwidth="1004464" audioSamplingRate="48000">
        <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>
      </Representation>
    </AdaptationSet>
  </Period>
  <Period id="2" start="PT5.500S" duration="PT2S">
    <AdaptationSet id="0" contentType="video" segmentAlignment="true" startWithSAP="1" mimeType="video/mp4">
      <SegmentTemplate timescale="1000" presentationTimeOffset="0" \
initialization="$RepresentationID$/2-init.mp4" media="$RepresentationID$/2-$Time$.m4s">
        <SegmentTimeline>
          <S t="0" d="2000"/>
        </SegmentTimeline>
      </SegmentTemplate>
      <Representation id="720p" codecs="avc1.64001f" bandwidth="1000000" width="1280" height="720" frameRate="30"/>
    </AdaptationSet>
  </Period>
</MPD>
"""
    )


def test_a_live_manifest_places_each_epoch_by_the_wall_clock_and_tells_the_time() -> None:
    two = timeline(
        (epoch(1, "720p", "audio", media_start_ms=1_000), [2_000, 2_000]),
        (epoch(2, "720p", "audio"), [2_000]),
    )
    text = manifest(two, complete=False, prefix="broadcast/", now_ms=NOW)
    mpd = parse(text)
    assert mpd.get("type") == "dynamic"
    assert mpd.get("availabilityStartTime") == "1970-01-01T00:00:00Z"
    assert mpd.get("publishTime") == "2026-09-21T14:15:10.000Z"
    assert mpd.get("timeShiftBufferDepth") == "PT60S"
    assert seconds(mpd.attrib["suggestedPresentationDelay"]) >= 3 * 2
    assert "mediaPresentationDuration" not in mpd.attrib
    starts = [seconds(period.attrib["start"]) for period in mpd.iterfind("Period", NS)]
    assert starts == [WALL / 1000, WALL / 1000 + 100]
    assert all("duration" not in period.attrib for period in mpd.iterfind("Period", NS))
    clock = mpd.find("UTCTiming", NS)
    assert clock is not None
    assert clock.get("schemeIdUri") == "urn:mpeg:dash:utc:direct:2014"
    assert clock.get("value") == "2026-09-21T14:15:10.000Z"
    assert 'media="broadcast/$RepresentationID$/1-$Time$.m4s"' in text
    assert 'bandwidth="3080000"' in text, "at least what the encoder may reach"


def test_the_period_start_and_its_offset_stay_when_the_window_moves_on() -> None:
    part = epoch(1, "720p", media_start_ms=5_000)
    long = timeline((part, [2_000] * 40))
    window = parse(manifest(long, complete=False, now_ms=NOW))
    start = parse(manifest(timeline((part, [2_000])), complete=False, now_ms=NOW))
    for path, name in (("Period", "start"), ("Period/AdaptationSet/SegmentTemplate", "presentationTimeOffset")):
        told = [element.get(name) for mpd in (window, start) for element in mpd.iterfind(path, NS)]
        assert len(told) == 2 and told[0] == told[1]
    assert len(list(named(window))) == LIVE_WINDOW_SEGMENTS


def test_a_segment_that_is_missing_leaves_a_hole_in_its_own_representation_only() -> None:
    part = epoch(1, "720p", "360p")
    made = segments(part, [2_000] * 4, missing=frozenset({(1, "720p")}))
    mpd = parse(manifest(Timeline(STREAM, BROADCAST, (part,), made), complete=True, now_ms=NOW))
    names = [uri for _, uri, _, _ in named(mpd)]
    assert "720p/1-2000.m4s" not in names
    assert [name for name in names if name.startswith("720p")] == [f"720p/1-{t}.m4s" for t in (0, 4000, 6000)]
    assert [name for name in names if name.startswith("360p")] == [f"360p/1-{t}.m4s" for t in (0, 2000, 4000, 6000)]


def test_video_only_and_audio_only_have_one_adaptation_set() -> None:
    for track, kind in (("720p", "video"), ("audio", "audio")):
        mpd = parse(manifest(timeline((epoch(1, track), [2_000])), complete=True, now_ms=NOW))
        assert [found.get("contentType") for found in mpd.iterfind("Period/AdaptationSet", NS)] == [kind]


@pytest.mark.parametrize(
    ("measured", "told"),
    [(29.97, "30000/1001"), (59.94, "60000/1001"), (23.976, "24000/1001"), (25.0, "25"), (29.5, "59/2"), (0.0, None)],
)
def test_frame_rates_are_ratios(measured: float, told: str | None) -> None:
    part = epoch(1, "720p")
    part = replace(part, tracks=(replace(part.tracks[0], frame_rate=measured),))
    mpd = parse(manifest(timeline((part, [2_000])), complete=True, now_ms=NOW))
    assert [found.get("frameRate") for found in mpd.iterfind(".//Representation", NS)] == [told]


def test_nothing_to_play_is_no_manifest() -> None:
    with pytest.raises(ValueError, match="nothing to offer"):
        manifest(Timeline(STREAM, BROADCAST), complete=False, now_ms=NOW)


@settings(max_examples=60)
@given(generated_timelines())
def test_a_manifest_names_exactly_what_is_stored_at_the_times_it_has(whole: Timeline) -> None:
    for complete in (True, False):
        mpd = parse(manifest(whole, complete=complete, now_ms=NOW))
        stored = {}
        for segment in whole.segments if complete else whole.segments[-LIVE_WINDOW_SEGMENTS:]:
            for track_id, part in segment.tracks.items():
                if not part.missing:
                    track = whole.epoch(segment.epoch).track(track_id)
                    assert track is not None
                    uri = f"{track_id}/{segment.epoch}-{segment.start_ms}.m4s"
                    stored[track_id, uri] = (1000 * part.decode_time / track.timescale, track)
        found = {(track_id, uri): time for track_id, uri, time, _ in named(mpd)}
        assert found.keys() == stored.keys()
        for key, (decoded_ms, track) in stored.items():
            assert abs(found[key] - decoded_ms) <= (1024_000 / 48_000 if track.track_id == "audio" else 1)


@settings(max_examples=60)
@given(generated_timelines())
def test_periods_of_a_recording_follow_one_another_without_holes(whole: Timeline) -> None:
    mpd = parse(manifest(whole, complete=True, now_ms=NOW))
    end = 0.0
    for period in mpd.iterfind("Period", NS):
        assert seconds(period.attrib["start"]) == pytest.approx(end, abs=1e-6)
        end = seconds(period.attrib["start"]) + seconds(period.attrib["duration"])
    assert seconds(mpd.attrib["mediaPresentationDuration"]) == pytest.approx(end, abs=1e-6)

"""A worker ends in the middle of a broadcast and another goes on: every picture is shown once, and all sound is heard."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest

from ffmpeg_worker import publish_session
from ffmpeg_worker.publish_session import PublishSessionReader, SessionEnd
from ffmpeg_worker.tag_buffer import ResumePoint
from ffmpeg_worker.timeline_writer import resume_point_after
from headwater.media.flv import Tag
from headwater.media.timeline import Epoch, Segment, TrackSegment
from tests.source_node import CollectingSink, playing_node, recorded
from tests.worker_stage import decoded_frames, picture_and_sound

SPEED = 3  # times as fast as the clock
SECONDS = 9
CUTS_MS = (1100, 3417, 5061)  # of media, about
LEFT_OUT_MS = 100  # at the very end: less than that is no segment
# pictures a second, from keyframe to keyframe, more options; and how long the end of a segment is waited for
CASES = {
    "25, at a keyframe": (25, 25, (), 2.5),
    "30, reordered, at a keyframe": (30, 30, ("-bf", "2", "-b_strategy", "0"), 2.5),
    "30, at a keyframe of our own": (30, 150, (), 2.5),
    "24, in mid-segment": (24, 48, (), 0.0),
    "25, in mid-segment": (25, 25, (), 0.0),
    "30, in mid-segment": (30, 30, (), 0.0),
    "25, our own keyframes, in mid-segment": (25, 125, (), 0.0),
}


def _resume_point(sink: CollectingSink) -> ResumePoint:
    media, segments = sink.epochs[-1]
    last = segments[-1]
    shares = {
        track.track_id: TrackSegment(share.decode_time, share.duration, len(share.data))
        for track in media.tracks
        for share in [last.tracks[track.track_id]]
    }
    epoch = Epoch(1, 1, segments[0].start_ms, 0, media.tracks)
    return resume_point_after(epoch, Segment(0, 1, last.start_ms, shares))


def _pictures(sinks: tuple[CollectingSink, ...]) -> list[int]:
    """When each is shown, in ms, of the first rendition."""
    pictures: list[int] = []
    for sink in sinks:
        for number, (media, segments) in enumerate(sink.epochs):
            shown = [round(at * 1000) for at, _ in decoded_frames(sink.media(number, media.tracks[0].track_id))]
            # Of a file that does not begin at 0, and whose pictures are reordered, FFmpeg counts from elsewhere.
            pictures += [segments[0].start_ms + at - shown[0] for at in shown]
    return pictures


def _sound(sinks: tuple[CollectingSink, ...]) -> list[float]:
    return [
        at
        for sink in sinks
        for number in range(len(sink.epochs))
        for at, _ in decoded_frames(sink.media(number, "audio"))
    ]


def _handed_over(tags: list[Tag], cut_ms: int) -> tuple[CollectingSink, CollectingSink]:
    first, second = CollectingSink(), CollectingSink()
    with playing_node(tags, seconds=SECONDS / SPEED) as address:
        leaving = PublishSessionReader(address, 1, first)
        told = threading.Timer(cut_ms / 1000 / SPEED, leaving.stop)
        told.start()
        assert leaving.run() is SessionEnd.STOPPED
        told.join()
    resume = _resume_point(first) if first.epochs else None
    with playing_node(tags) as address:
        assert PublishSessionReader(address, 1, second, resume).run() is SessionEnd.SOURCE_GONE
    return first, second


@pytest.mark.parametrize("case", CASES)
def test_every_picture_is_shown_once(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rate, gop, more, patience_seconds = CASES[case]
    monkeypatch.setattr(publish_session, "BOUNDARY_SECONDS", patience_seconds)
    tags = recorded(tmp_path, *picture_and_sound("320x180", rate, gop, *more), "-t", str(SECONDS))
    published = sorted(tag.presentation_time for tag in tags if tag.is_video and tag.is_media)
    published = [at for at in published if at < published[-1] - LEFT_OUT_MS]
    for cut_ms in CUTS_MS:
        sinks = _handed_over(tags, cut_ms)
        late = [at - wanted for at, wanted in zip(_pictures(sinks), published, strict=False)]
        assert len(late) == len(published), (cut_ms, len(late) - len(published))
        assert max(late) - min(late) < 600 / rate, (
            cut_ms,
            late,
        )  # one that is lost, or shown twice, moves all that follow
        heard = _sound(sinks)
        assert all(0.01 < later - earlier < 0.045 for earlier, later in itertools.pairwise(heard)), cut_ms

"""A worker process on a real RTMP stream: what ends up in the store, the timeline and the playlists."""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.domain.broadcast import BroadcastState, EndReason
from tests.nginx_rtmp import eventually
from tests.rfc8216 import check_media_playlist, check_multivariant
from tests.rtmp_publisher import enhanced_hevc_publisher
from tests.worker_stage import Cloud, SourceNode, Stage, decoded_frames, picture_and_sound, published, source_node


@pytest.fixture
def stage(cloud: Cloud, tmp_path: Path) -> Iterator[Stage]:
    with Stage(cloud, tmp_path).running() as made:
        yield made


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SourceNode]:
    with source_node(tmp_path) as running:
        yield running


def _check_timeline(stage: Stage) -> None:
    """Segments in sequence, epochs in order, nothing named that is not there, nothing overlapping."""
    segments, epochs = stage.segments(), stage.epochs()
    assert [segment.sequence for segment in segments] == list(range(len(segments)))
    assert [epoch.number for epoch in epochs] == sorted({epoch.number for epoch in epochs})
    assert {segment.epoch for segment in segments} == {epoch.number for epoch in epochs}
    for epoch in epochs:
        for track in epoch.tracks:
            assert decoded_frames(stage.media(track.track_id, epoch=epoch.number))
    for before, after in itertools.pairwise(segments):
        assert after.epoch >= before.epoch
        if after.epoch == before.epoch:
            for track_id, share in before.tracks.items():
                assert after.tracks[track_id].decode_time == share.decode_time + share.duration


def _check_nothing_is_missing(stage: Stage) -> None:
    """Each segment begins on the publisher's clock where the one before it ended, whoever made them."""
    tracks = {epoch.number: epoch.tracks for epoch in stage.epochs()}
    ends = [
        segment.start_ms + round(share.duration * 1000 / track.timescale)
        for segment in stage.segments()
        for track in tracks[segment.epoch][:1]
        for share in [segment.tracks[track.track_id]]
    ]
    starts = [segment.start_ms for segment in stage.segments()]
    assert all(abs(start - end) <= 1 for start, end in zip(starts[1:], ends, strict=False)), (starts, ends)
    assert starts[0] < 100, "the first frame published is the first one that can be watched"


def _check_playlists(stage: Stage) -> None:
    assert check_multivariant(stage.entrance()) == []
    for track in ("180p", "audio"):
        playlist = stage.playlist(track)
        assert check_media_playlist(playlist) == []
        for uri in re.findall(r'^[^#\n].*|(?<=URI=")[^"]+', playlist, re.MULTILINE):
            assert stage.cloud.object(f"{stage.stream_id}/{stage.broadcast_id}/{uri}"), uri


def test_a_published_stream_becomes_playable_and_ends_with_everything_flushed(stage: Stage, node: SourceNode) -> None:
    url = node.source("one")
    with published(f"{node.base}/one", *picture_and_sound()):
        stage.publish(url)
        worker = stage.start_worker()
        stage.wait_for_segments(2)
        assert eventually(lambda: stage.broadcast().state is BroadcastState.LIVE)
    stage.interrupt()
    stage.end()
    assert worker.wait(60) == 0, stage.log()

    assert stage.lease_state() == "released"
    _check_timeline(stage)
    _check_nothing_is_missing(stage)
    _check_playlists(stage)
    names = [key.rpartition("/")[2] for key in stage.cloud.keys(f"{stage.stream_id}/")]
    assert {"live.m3u8", "live.mpd", "poster.jpg", "0.jpg"} <= set(names)
    assert "sources/one" not in stage.log(), "who knows a pull URL can read the stream"


def test_a_full_disk_is_nothing_to_a_worker_for_it_writes_no_file(stage: Stage, node: SourceNode) -> None:
    url = node.source("one")
    with (
        stage.log_path.open("ab") as log,
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log) as printer,
        published(f"{node.base}/one", *picture_and_sound()),
    ):
        stage.publish(url)
        worker = stage.start_worker(under=["prlimit", "--fsize=0", "--"], log_to=printer.stdin)
        assert printer.stdin is not None
        printer.stdin.close()
        stage.wait_for_segments(2)
        worker.terminate()
        assert worker.wait(60) == 0, stage.log()
    _check_timeline(stage)
    _check_nothing_is_missing(stage)
    _check_playlists(stage)


def test_an_encoder_that_comes_back_continues_the_broadcast_with_a_discontinuity(
    stage: Stage, node: SourceNode
) -> None:
    url = node.source("one")
    with published(f"{node.base}/one", *picture_and_sound()):
        stage.publish(url)
        stage.start_worker()
        stage.wait_for_segments(2)
    stage.interrupt()
    url = node.source("two")
    with published(f"{node.base}/two", *picture_and_sound()):
        stage.publish(url)
        assert eventually(lambda: len(stage.epochs()) == 2 and stage.playlist("180p").count("DISCONTINUITY\n"))
        stage.wait_for_segments(len(stage.segments()) + 1)
    stage.stop()
    _check_timeline(stage)
    _check_playlists(stage)
    assert [epoch.session_serial for epoch in stage.epochs()] == [1, 2]


def test_a_node_that_is_gone_does_not_keep_those_waiting_who_publish_to_another_one(
    stage: Stage, node: SourceNode, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with source_node(tmp_path / "other") as lost:
        with published(f"{lost.base}/one", *picture_and_sound()):
            stage.publish(lost.source("one"))
            stage.start_worker()
            stage.wait_for_segments(1)
            lost.server.kill()
        stage.interrupt()
        with published(f"{node.base}/two", *picture_and_sound()):
            stage.publish(node.source("two"))
            assert eventually(lambda: len(stage.epochs()) == 2, 30), stage.log()
    assert "source_gone" not in stage.log(), "the reader of the lost one was told to stop"
    stage.stop()
    _check_timeline(stage)


def test_sigterm_stores_the_open_segment_and_releases_the_lease(stage: Stage, node: SourceNode) -> None:
    url = node.source("one")
    with published(f"{node.base}/one", *picture_and_sound()):
        stage.publish(url)
        worker = stage.start_worker()
        before = len(stage.wait_for_segments(2))
        time.sleep(1.0)  # of the segment that is open now
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    assert stage.lease_state() == "released"
    assert len(stage.segments()) > before
    assert stage.cloud.sqs.receive_message(QueueUrl=stage.cloud.pulse_queue).get("Messages")
    _check_timeline(stage)
    _check_nothing_is_missing(stage)
    _check_playlists(stage)


def test_a_killed_worker_is_continued_by_the_next_generation(stage: Stage, node: SourceNode) -> None:
    url = node.source("one")
    with published(f"{node.base}/one", *picture_and_sound()):
        stage.publish(url)
        first = stage.start_worker()
        stage.wait_for_segments(2)
        first.kill()
        first.wait()
        time.sleep(3)  # a segment and more comes while nobody works
        stage.start_worker()
        assert eventually(lambda: len(stage.epochs()) == 2), stage.log()
        assert eventually(lambda: stage.playlist("180p").count("DISCONTINUITY\n") == 1)
    stage.stop()
    _check_timeline(stage)
    _check_nothing_is_missing(stage)
    _check_playlists(stage)
    pictures = [at for epoch in (1, 2) for at, _ in decoded_frames(stage.media("180p", epoch=epoch))]
    assert [round(at * 30) for at in pictures] == list(
        range(round(pictures[0] * 30), round(pictures[0] * 30) + len(pictures))
    )
    sound = [at for epoch in (1, 2) for at, _ in decoded_frames(stage.media("audio", epoch=epoch))]
    assert all(0.015 < later - earlier < 0.03 for earlier, later in itertools.pairwise(sound)), (
        "not a frame of sound twice"
    )


def test_a_worker_that_wakes_up_after_its_lease_went_to_another_writes_nothing(stage: Stage, node: SourceNode) -> None:
    url = node.source("one")
    with published(f"{node.base}/one", *picture_and_sound()):
        stage.publish(url)
        sleeper = stage.start_worker()
        stage.wait_for_segments(2)
        sleeper.send_signal(signal.SIGSTOP)
        stage.start_worker()
        assert eventually(lambda: len(stage.epochs()) == 2), stage.log()
        sleeper.send_signal(signal.SIGCONT)
        assert sleeper.wait(60) == 0
        stage.wait_for_segments(len(stage.segments()) + 1)
    assert len(stage.epochs()) == 2
    stage.stop()
    _check_timeline(stage)
    _check_nothing_is_missing(stage)
    _check_playlists(stage)


def test_hevc_is_refused_with_a_reason_for_the_broadcaster(stage: Stage, node: SourceNode) -> None:
    url = node.source("one")
    with enhanced_hevc_publisher(f"{node.base}/one"):
        stage.publish(url)
        worker = stage.start_worker()
        assert eventually(lambda: stage.broadcast().state is BroadcastState.ENDED), stage.log()
        assert stage.broadcast().end_reason is EndReason.SOURCE_REFUSED
        assert "HEVC" in (stage.broadcast().end_detail or "")
        assert worker.wait(60) == 0
    assert stage.segments() == []


def test_a_worker_whose_generation_is_over_leaves_at_once(stage: Stage, node: SourceNode) -> None:
    stage.publish(node.source("one"))
    stage.generation = 4
    stage.start_worker()
    late = stage.start_worker(environment={"TRANSCODE_JOB": stage.job(generation=5)})
    assert late.wait(60) == 0
    assert stage.segments() == []


def test_an_encoder_that_never_sends_is_waited_for_and_the_worker_lingers_no_longer_than_told(
    stage: Stage, node: SourceNode
) -> None:
    stage.publish(node.source("one"))
    stage.interrupt()
    began_at = time.monotonic()
    worker = stage.start_worker(environment={"WORKER_LINGER_SECONDS": "1"})
    assert worker.wait(60) == 0
    assert time.monotonic() - began_at >= 1
    assert stage.lease_state() == "released"

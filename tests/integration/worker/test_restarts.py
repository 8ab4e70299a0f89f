"""What the reading side does when FFmpeg dies, hangs or is missing, and when the encoder's clock or format changes."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ffmpeg_worker import epoch_run, ffmpeg_process, pace, publish_session
from ffmpeg_worker.publish_session import PublishSessionReader, SessionEnd
from ffmpeg_worker.tag_buffer import ResumePoint
from headwater.errors import SourceUnplayable, TranscodeFailed
from headwater.media.flv import Tag, TagKind
from tests.source_node import CollectingSink, playing_node, read_session, recorded
from tests.worker_stage import decoded_frames, picture, picture_and_sound


@pytest.fixture(scope="module")
def twelve_seconds(tmp_path_factory: pytest.TempPathFactory) -> list[Tag]:
    """Two renditions' worth of picture, one of them copied, and sound; keyframes every second."""
    return recorded(tmp_path_factory.mktemp("source"), *picture_and_sound("480x384", 30, 30), "-t", "12")


def _frames(sink: CollectingSink, track: str) -> list[int]:
    """When each frame of a track is shown, over all epochs, in ms."""
    having = [number for number, (media, _) in enumerate(sink.epochs) if track in media.inits]
    return [round(at * 1000) for number in having for at, _ in decoded_frames(sink.media(number, track))]


def _signal_ffmpeg(number: int) -> None:
    for task in Path("/proc/self/task").glob("*/children"):
        for pid in task.read_text().split():
            if "ffmpeg" in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(int(pid), number)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_crash_of_ffmpeg_loses_nothing(number: int, twelve_seconds: list[Tag]) -> None:
    hold = threading.Event()
    sink = CollectingSink(lambda count: _signal_ffmpeg(number) if count == 2 else None)
    with playing_node(twelve_seconds, hold=hold) as address:
        threading.Timer(4.0, hold.set).start()
        PublishSessionReader(address, 1, sink).run()

    assert len(sink.epochs) == 2
    for track in ("384p", "360p"):
        shown = _frames(sink, track)
        assert len(shown) == len(set(shown)) == 360, "every picture exactly once"
    ends = [s.start_ms + s.duration_ms for _, segments in sink.epochs for s in segments]
    starts = [s.start_ms for _, segments in sink.epochs for s in segments]
    assert starts[1:] == ends[:-1]


def test_a_hanging_ffmpeg_is_replaced_and_nothing_is_lost(
    twelve_seconds: list[Tag], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epoch_run, "HANG_SECONDS", 3.0)
    hold = threading.Event()
    sink = CollectingSink(lambda count: _signal_ffmpeg(signal.SIGSTOP) if count == 2 else None)
    with playing_node(twelve_seconds, hold=hold, seconds=6) as address:
        threading.Timer(12.0, hold.set).start()
        PublishSessionReader(address, 1, sink).run()

    assert len(sink.epochs) >= 2
    assert len(set(_frames(sink, "384p"))) == 360


def test_a_machine_that_is_too_slow_leaves_out_the_most_costly_rendition_and_catches_up(
    twelve_seconds: list[Tag], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "WINDOW_SECONDS", 2.0)
    slow = tmp_path / "ffmpeg"  # at a fifth of real time, as long as it encodes anything
    slow.write_text(
        f"""#!/bin/bash
for argument; do
  [ "$argument" = -i ] && [[ $* == *libx264* ]] && arguments+=(-readrate 0.2)
  arguments+=("$argument")
done
exec {shutil.which("ffmpeg")} "${{arguments[@]}}"
"""
    )
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(ffmpeg_process, "_PIPE_BYTES", 4096)
    a_minute_ago = round((time.time() - 60) * 1000)
    hold = threading.Event()
    sink = CollectingSink(lambda count: hold.set() if count == 5 else None)
    with playing_node(twelve_seconds, hold=hold, received_at=a_minute_ago) as address:
        PublishSessionReader(address, 1, sink).run()
    assert [track.track_id for track in sink.epochs[-1][0].tracks] == ["384p", "audio"]
    assert len(_frames(sink, "384p")) == 360, "nothing is lost by it"


def test_an_ffmpeg_that_keeps_dying_is_given_up_with_a_reason(
    twelve_seconds: list[Tag], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\necho '[error] no such encoder' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with playing_node(twelve_seconds, hold=threading.Event()) as address, pytest.raises(TranscodeFailed) as failure:
        PublishSessionReader(address, 1, CollectingSink()).run()
    assert "no such encoder" in failure.value.detail


def test_a_missing_ffmpeg_is_named(twelve_seconds: list[Tag], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with playing_node(twelve_seconds) as address, pytest.raises(TranscodeFailed, match="ffmpeg"):
        PublishSessionReader(address, 1, CollectingSink()).run()


@pytest.mark.parametrize(
    ("first_byte", "name"), [(0x90, "HEVC"), (0x1C, "HEVC"), (0x12, "Sorenson")], ids=["enhanced", "legacy", "old"]
)
def test_video_that_is_not_h264_is_refused_with_its_name(first_byte: int, name: str) -> None:
    tag = Tag(TagKind.VIDEO, 0, bytes([first_byte]) + b"hvc1" + bytes(64))
    with playing_node([tag]) as address, pytest.raises(SourceUnplayable, match=name):
        PublishSessionReader(address, 1, CollectingSink()).run()


@pytest.mark.parametrize("jump_ms", [-5_000, 60_000, 3_000_000_000], ids=["back", "forward", "far"])
def test_a_jump_of_the_clock_begins_a_new_epoch_and_loses_no_whole_segment(
    jump_ms: int, twelve_seconds: list[Tag]
) -> None:
    jumped = [replace(tag, timestamp=tag.timestamp + jump_ms * (tag.timestamp >= 6000)) for tag in twelve_seconds]
    sink = read_session(jumped)
    assert len(sink.epochs) == 2
    assert sink.epochs[1][1][0].start_ms >= 6000 + jump_ms
    assert len(_frames(sink, "384p")) == 360


@pytest.mark.parametrize("late", [TagKind.VIDEO, TagKind.AUDIO], ids=["pictures", "sound"])
def test_a_track_that_comes_seconds_after_the_other_is_neither_a_jump_nor_a_gap(
    late: TagKind, twelve_seconds: list[Tag]
) -> None:
    as_they_come = sorted(twelve_seconds, key=lambda tag: tag.timestamp + 3000 * (tag.is_media and tag.kind is late))
    sink = read_session(as_they_come, seconds=2)
    assert len(sink.epochs) == 1
    assert len(_frames(sink, "384p")) == 360
    heard = _frames(sink, "audio")
    assert max(later - earlier for earlier, later in itertools.pairwise(heard)) < 40
    assert heard[-1] > 11_900


def test_a_clock_that_keeps_jumping_is_given_up_with_a_reason(
    twelve_seconds: list[Tag], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_session, "FRESH_STARTS", 4)
    jumpy = [replace(tag, timestamp=tag.timestamp + tag.timestamp // 2000 * 10_000) for tag in twelve_seconds]
    with playing_node(jumpy) as address, pytest.raises(SourceUnplayable, match="clock"):
        PublishSessionReader(address, 1, CollectingSink()).run()


def test_timestamps_wrap_at_32_bits_with_nothing_but_a_new_epoch(twelve_seconds: list[Tag]) -> None:
    offset = (1 << 32) - 6000
    wrapped = [replace(tag, timestamp=(tag.timestamp + offset) & 0xFFFFFFFF) for tag in twelve_seconds]
    sink = read_session(wrapped)
    assert [segments[0].start_ms < 100 for _, segments in sink.epochs] == [False, True]
    assert len(_frames(sink, "384p")) >= 330


def test_an_encoder_that_changes_its_picture_goes_on_in_a_new_epoch(tmp_path: Path) -> None:
    wide = recorded(tmp_path, *picture_and_sound("320x180", 30, 30), "-t", "5")
    tall = recorded(tmp_path, *picture_and_sound("240x320", 30, 30), "-t", "5")
    shifted = [replace(tag, timestamp=tag.timestamp + 5000) for tag in tall]
    sink = read_session([*wide, *shifted])
    assert [media.tracks[0].track_id for media, _ in sink.epochs] == ["180p", "240p"]


def test_while_the_sound_is_away_there_is_silence_and_the_picture_goes_on(twelve_seconds: list[Tag]) -> None:
    gap = [tag for tag in twelve_seconds if not (tag.is_audio and tag.is_media and 3000 < tag.timestamp < 8000)]
    sink = read_session(gap, seconds=4)
    assert len(sink.epochs) == 1
    shown = _frames(sink, "384p")
    assert len(shown) == len(set(shown)) == 360
    heard = _frames(sink, "audio")
    assert max(later - earlier for earlier, later in itertools.pairwise(heard)) < 40
    assert heard[-1] > 11_900


def test_while_the_pictures_are_away_the_last_keyframe_stays_and_the_sound_goes_on(twelve_seconds: list[Tag]) -> None:
    gap = [tag for tag in twelve_seconds if not (tag.is_video and tag.is_media and 2500 < tag.timestamp < 9300)]
    sink = read_session(gap, seconds=4)
    assert len(sink.epochs) == 1, "neither a discontinuity nor another process"
    for track in ("384p", "360p"):
        shown = _frames(sink, track)
        assert shown == sorted(set(shown))
        assert max(later - earlier for earlier, later in itertools.pairwise(shown)) <= 1100
        assert len([at for at in shown if at >= 10_000]) >= 60, "the pictures are back"
    durations = [segment.duration_ms for _, segments in sink.epochs for segment in segments]
    assert max(durations) < 2500
    assert sum(durations) >= 11_900
    assert len(_frames(sink, "audio")) >= 560


def test_sound_whose_pictures_were_only_announced_is_broadcast_alone_until_they_come(
    twelve_seconds: list[Tag],
) -> None:
    late = [tag for tag in twelve_seconds if not (tag.is_video and tag.is_media and tag.timestamp < 7300)]
    sink = read_session(late, seconds=4)
    assert [len(media.tracks) for media, _ in sink.epochs] == [1, 3]
    assert len(_frames(sink, "384p")) >= 110
    heard = _frames(sink, "audio")
    assert heard == sorted(set(heard))


def test_a_rendition_that_stands_still_alone_is_noticed_and_ffmpeg_replaced(
    twelve_seconds: list[Tag], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epoch_run, "STALL_SECONDS", 4.0)
    real = shutil.which("ffmpeg")
    stuck = tmp_path / "ffmpeg"  # whose encoded rendition, the first time, goes nowhere
    stuck.write_text(
        f"""#!/bin/bash
[ -e {tmp_path}/stood-still ] && exec {real} "$@"
touch {tmp_path}/stood-still
for argument; do
  [[ $argument == pipe:* && $last == flv ]] && arguments+=(-y) && argument=/dev/null
  arguments+=("$argument"); last=$argument
done
exec {real} "${{arguments[@]}}"
"""
    )
    stuck.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    hold = threading.Event()
    sink = CollectingSink(lambda count: hold.set() if count == 5 else None)
    with playing_node(twelve_seconds, hold=hold, seconds=4) as address:
        PublishSessionReader(address, 1, sink).run()
    assert (tmp_path / "stood-still").exists()
    assert len(set(_frames(sink, "384p"))) == len(set(_frames(sink, "360p"))) == 360


def test_a_keyframe_that_stays_away_later_on_turns_copying_into_encoding(tmp_path: Path) -> None:
    regular = recorded(tmp_path, *picture("320x180", 30, 30), "-t", "5")
    sparse = recorded(tmp_path, *picture("320x180", 30, 300), "-t", "7")
    media = [replace(tag, timestamp=tag.timestamp + 5000) for tag in sparse if tag.is_media]
    sink = read_session([*regular, *media], seconds=3)
    assert len(sink.epochs) == 2
    durations = [segment.duration_ms for _, segments in sink.epochs for segment in segments]
    assert max(durations) < 2500
    assert sum(durations) >= 11_900


def test_a_source_that_takes_more_than_it_said_is_encoded_once_that_is_measured(tmp_path: Path) -> None:
    lavish = recorded(tmp_path, *picture("320x180", 30, 30, "-qp", "5"), "-t", "18")
    told = [tag for tag in lavish if tag.kind is not TagKind.DATA]
    sink = read_session(told, seconds=3)
    bits_per_second = [
        sum(len(segment.tracks["180p"].data) for segment in segments)
        * 8000
        / sum(segment.duration_ms for segment in segments)
        for _, segments in sink.epochs
    ]
    assert len(bits_per_second) == 2
    assert bits_per_second[0] > 400_000 > bits_per_second[1], bits_per_second
    assert len(set(_frames(sink, "180p"))) == 18 * 30


def test_stopping_ends_the_open_segment_at_once(twelve_seconds: list[Tag]) -> None:
    hold = threading.Event()
    sink = CollectingSink(lambda count: reader.stop() if count == 5 else None)
    with playing_node(twelve_seconds, hold=hold) as address:
        reader = PublishSessionReader(address, 1, sink)
        assert reader.run() is SessionEnd.STOPPED
    assert all(share.data for _, segments in sink.epochs for s in segments for share in s.tracks.values())
    assert sum(s.duration_ms for _, segments in sink.epochs for s in segments) >= 11_500


def test_nobody_there_is_no_failure() -> None:
    with playing_node([]) as address:
        pass
    assert PublishSessionReader(address, 1, CollectingSink()).run() is SessionEnd.SOURCE_GONE


def test_a_connection_that_breaks_is_taken_up_where_it_broke(twelve_seconds: list[Tag]) -> None:
    sink = CollectingSink()
    with playing_node(twelve_seconds, breaks_after=250) as address:
        assert PublishSessionReader(address, 1, sink).run() is SessionEnd.SOURCE_GONE
    assert len(sink.epochs) == 1
    shown = _frames(sink, "384p")
    assert len(shown) == len(set(shown)) == 360


@pytest.mark.parametrize("behind_ms", [0, 500], ids=["at a keyframe", "between keyframes"])
def test_a_successor_begins_where_the_timeline_ends(behind_ms: int, twelve_seconds: list[Tag]) -> None:
    keyframes = [tag.presentation_time for tag in twelve_seconds if tag.is_keyframe]
    ended_at = keyframes[3] + behind_ms
    sink = CollectingSink()
    with playing_node(twelve_seconds) as address:
        PublishSessionReader(address, 1, sink, ResumePoint(ended_at, ended_at)).run()
    _, segments = sink.epochs[0]
    assert abs(segments[0].start_ms - ended_at) <= (34 if behind_ms else 0)
    last = segments[-1]
    assert last.start_ms + last.duration_ms - ended_at >= 12_000 - ended_at - 100
    sound = [at * 1000 for at, _ in decoded_frames(sink.media(0, "audio"))]
    assert abs(sound[0] - ended_at) < 25


def test_a_time_is_that_at_which_the_node_received_it(twelve_seconds: list[Tag]) -> None:
    sink = read_session(twelve_seconds)
    media = sink.epochs[0][0]
    received_first_at = 0  # says the node
    assert media.wall_offset_ms == received_first_at - twelve_seconds[0].timestamp

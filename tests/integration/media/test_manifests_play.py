"""Players that are not ours read what we write: every frame of a recording of two epochs comes out of HLS and of DASH."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from headwater.media import object_keys
from headwater.media.renditions import duration_seconds
from headwater.media.timeline import Timeline
from tests.real_recording import FRAME_RATE, record
from tests.rfc8216 import check_media_playlist, check_multivariant
from tests.timelines import BROADCAST, STREAM

SECONDS = (5, 3)
# FFmpeg throws away the first segment after a clock that goes back, so here it goes on; browsers do not mind either way.
CLOCKS = (3600, 7200)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Timeline]:
    folder = tmp_path_factory.mktemp("cdn")
    return folder, record(folder, SECONDS, CLOCKS)


def counted(path: Path) -> list[tuple[str, int, int]]:
    """(kind, height, frames decoded) of every track that ffprobe finds."""
    command = ["ffprobe", "-v", "error", "-count_frames", "-allowed_extensions", "ALL", "-of", "json"]
    if path.suffix == ".mpd":
        command = [argument for argument in command if argument not in ("-allowed_extensions", "ALL")]
    done = subprocess.run(
        [*command, "-show_entries", "stream=codec_type,height,nb_read_frames", str(path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not done.stderr, done.stderr
    return [
        (stream["codec_type"], stream.get("height", 0), int(stream["nb_read_frames"]))
        for stream in json.loads(done.stdout)["streams"]
    ]


def test_the_playlists_of_real_media_obey_the_rfc(recording: tuple[Path, Timeline]) -> None:
    folder, timeline = recording
    for name in ("360p", "180p", "audio"):
        assert check_media_playlist((folder / object_keys.media_playlist(STREAM, BROADCAST, name)).read_text()) == []
    assert check_multivariant((folder / object_keys.recording_hls(STREAM, BROADCAST)).read_text()) == []
    assert duration_seconds(timeline) == sum(SECONDS)


@pytest.mark.parametrize("name", ["360p", "180p", "audio"])
def test_every_frame_of_a_media_playlist_decodes(recording: tuple[Path, Timeline], name: str) -> None:
    folder, _ = recording
    ((kind, _, frames),) = counted(folder / object_keys.media_playlist(STREAM, BROADCAST, name))
    if kind == "video":
        assert frames == sum(SECONDS) * FRAME_RATE
    else:
        # Each epoch's sound is a frame of priming longer, and ends at a whole frame.
        assert abs(frames - sum(SECONDS) * 48_000 / 1024) <= 4


def test_dash_holds_the_same_frames(recording: tuple[Path, Timeline]) -> None:
    folder, _ = recording
    found = counted(folder / object_keys.recording_dash(STREAM, BROADCAST))
    # FFmpeg reads the longest period of a static manifest only; what it reads of it must be whole.
    frames = {height: count for kind, height, count in found if kind == "video"}
    assert frames[180] == SECONDS[0] * FRAME_RATE
    assert frames[360] >= SECONDS[0] * FRAME_RATE - 2, "here FFmpeg drops what it takes for reordering delay"

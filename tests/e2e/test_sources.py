"""Every kind of source that people really send plays, or is refused with a reason that the streamer sees."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.e2e.encoders import Picture, encoder
from tests.e2e.local_stack import LocalStack, eventually, fetch
from tests.e2e.test_failures import any_media_playlist
from tests.e2e.test_playlists import decoded_frames
from tests.rtmp_publisher import enhanced_hevc_publisher, silent_publisher

SECONDS = 7


@dataclass(frozen=True)
class Source:
    """A file to publish, and what must come out: the resolutions of the ladder, highest first."""

    name: str
    picture: Picture
    resolutions: tuple[str, ...]


VARIABLE_RATE = ",select='gt(random(1),0.4)'"
MONO = ("-c:a", "aac", "-b:a", "64k", "-ar", "44100", "-ac", "1")
X264_B_FRAMES = ("-bf", "3", "-preset", "veryfast", "-tune", "film")
SOURCES = [
    Source("1080p60", Picture("1920x1080", "60"), ("1920x1080", "1280x720", "854x480", "640x360")),
    Source("1080p30", Picture("1920x1080", "30"), ("1920x1080", "1280x720", "854x480", "640x360")),
    Source("720p30", Picture("1280x720", "30"), ("1280x720", "854x480", "640x360")),
    Source("360p", Picture("640x360", "30"), ("640x360",)),
    Source("odd size", Picture("321x181", "30", video=("-pix_fmt", "yuv444p")), ("320x180",)),
    Source("4:3", Picture("640x480", "25"), ("640x480", "480x360")),
    Source("vertical", Picture("1080x1920", "30"), ("1080x1920", "720x1280", "480x854", "360x640")),
    Source(
        "variable frame rate",
        Picture("640x360", "30", filters=VARIABLE_RATE, video=("-vsync", "vfr")),
        ("640x360",),
    ),
    Source("10 s keyframes", Picture("640x360", "30", gop_seconds=10), ("640x360",)),
    Source("B-frames", Picture("640x360", "30", video=X264_B_FRAMES), ("640x360",)),
    Source(
        "mono 44.1 kHz",
        Picture("640x360", "30", audio=MONO),
        ("640x360",),
    ),
    Source("video only", Picture("640x360", "30", with_audio=False), ("640x360",)),
    Source("audio only", Picture(with_video=False), ()),
]


def make_file(folder: Path, source: Source) -> Path:
    """The source as an FLV file, so that publishing it costs no encoding."""
    picture, path = source.picture, folder / "source.flv"
    command = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y"]
    if picture.with_video:
        command += ["-f", "lavfi", "-i", f"testsrc2=size={picture.size}:rate={picture.rate}{picture.filters}"]
    if picture.with_audio:
        command += ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]
    if picture.with_video:
        gop = str(round(float(picture.rate) * picture.gop_seconds))
        command += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-b:v", "1500k"]
        command += ["-g", gop, "-keyint_min", gop, "-sc_threshold", "0", *picture.video]
    if picture.with_audio:
        command += picture.audio
    subprocess.run([*command, "-t", str(seconds_of(source)), str(path)], check=True, timeout=100)
    return path


def seconds_of(source: Source) -> int:
    return SECONDS + (12 if source.picture.gop_seconds > 2 else 0)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_it_plays(stack: LocalStack, tmp_path: Path, source: Source) -> None:
    stream = stack.create_stream(title=source.name)
    path = make_file(tmp_path, source)
    # Over and over: on a busy machine its first segment may come when the file is over.
    publish = ["ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", str(path)]
    with encoder([*publish, "-c", "copy", "-f", "flv", stream.publish_url]):
        live = stream.wait_for_playlist()
        master = fetch(live).text
        assert tuple(re.findall(r"RESOLUTION=(\d+x\d+)", master)) == source.resolutions
        media = any_media_playlist(live)
        segments = seconds_of(source) // 2
        eventually(lambda: fetch(media).text.count("#EXTINF") >= segments, f"{segments} segments")
    stream.stop()
    recording = stream.wait_for_recording()
    assert recording["status"] == "ready", recording
    index = httpx.URL(recording["playback"]["hls"])
    playlists = [index.join(line) for line in fetch(index).text.splitlines() if line.endswith(".m3u8")]
    assert playlists
    for playlist in playlists:
        frames = decoded_frames(str(playlist))
        if source.picture.with_video:
            assert frames["video"] > 25
        else:
            assert frames["audio"] > 100


@pytest.mark.timeout(180)
def test_hevc_is_refused_with_a_reason_on_the_stream(stack: LocalStack) -> None:
    stream = stack.create_stream()
    with enhanced_hevc_publisher(stream.publish_url):
        notice = eventually(
            lambda: stream.owner.call("GET", f"/streams/{stream.stream_id}/ingest")["health"].get("notice"),
            "the streamer is told why",
        )
    assert "H.264" in notice
    assert stream.get()["status"] == "offline"


@pytest.mark.timeout(180)
def test_an_encoder_that_sends_nothing_is_never_live(stack: LocalStack) -> None:
    stream = stack.create_stream()
    with silent_publisher(stream.publish_url) as connection:
        eventually(lambda: connection.dropped(), "the connection is dropped")
        assert stream.get()["status"] == "offline"
    assert all(broadcast["status"] != "live" for broadcast in stream.broadcasts())

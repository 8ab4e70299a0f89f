"""Encoders for the end-to-end tests: real FFmpeg and GStreamer processes that publish synthetic sources over RTMP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.processes import end


@dataclass(frozen=True)
class Picture:
    """A synthetic source. `gop_seconds` between keyframes; `filters` go behind the test picture."""

    size: str = "640x360"
    rate: str = "30"
    gop_seconds: float = 2.0
    video: Sequence[str] = ()
    audio: Sequence[str] = ("-c:a", "aac", "-b:a", "96k", "-ar", "48000", "-ac", "2")
    filters: str = ""
    with_video: bool = True
    with_audio: bool = True


def ffmpeg_command(url: str, picture: Picture, seconds: float | None = None) -> list[str]:
    command = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error"]
    if picture.with_video:
        source = f"testsrc2=size={picture.size}:rate={picture.rate}{picture.filters}"
        command += ["-re", "-f", "lavfi", "-i", source]
    if picture.with_audio:
        command += ["-re", "-f", "lavfi", "-i", "sine=frequency=440:beep_factor=4:sample_rate=48000"]
    if picture.with_video:
        gop = str(round(float(picture.rate) * picture.gop_seconds))
        command += ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p"]
        command += ["-g", gop, "-keyint_min", gop, "-sc_threshold", "0", "-b:v", "700k", *picture.video]
    if picture.with_audio:
        command += picture.audio
    if seconds is not None:
        command += ["-t", str(seconds)]
    return [*command, "-f", "flv", url]


def gstreamer_command(url: str) -> list[str]:
    """The second publisher implementation: GStreamer's own RTMP client (rtmp2sink)."""
    return (
        "gst-launch-1.0 -q videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=30/1 ! "
        "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=60 bitrate=700 ! video/x-h264,profile=main ! "
        "h264parse ! queue ! mux. audiotestsrc is-live=true ! audioconvert ! voaacenc ! aacparse ! queue ! mux. "
        f"flvmux name=mux streamable=true ! rtmp2sink location={url}"
    ).split()


@contextmanager
def encoder(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The encoder while it runs."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        end(process, within_seconds=5)
        if process.stderr:
            process.stderr.close()

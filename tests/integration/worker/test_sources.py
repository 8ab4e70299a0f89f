"""Every kind of source becomes aligned, decodable segments of at most 2.5 s, with real FFmpeg on both sides."""

from __future__ import annotations

import itertools
import subprocess
from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from headwater.media.timeline import TrackKind
from tests.ffprobe import probe
from tests.source_node import read_session, recorded
from tests.worker_stage import decoded_frames

_X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-sc_threshold", "0", "-b:v", "400k"]
_TONE = ["-f", "lavfi", "-i", "sine=sample_rate=48000:duration=7"]
_AAC = ["-c:a", "aac", "-ac", "2"]


def _picture(size: str, rate: int = 30, more: str = "") -> list[str]:
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration=7{more}"]


SOURCES = {
    "1080p60": ([*_picture("1920x1080", 60), "-t", "3", *_X264, "-g", "120"], ["1080p", "720p", "480p", "360p"]),
    "720p30": ([*_picture("1280x720"), *_TONE, *_X264, *_AAC, "-g", "60"], ["720p", "480p", "360p", "audio"]),
    "360p": ([*_picture("640x360"), *_TONE, *_X264, *_AAC, "-g", "30"], ["360p", "audio"]),
    "321x181 in 4:4:4": (
        [*_picture("321x181"), *_TONE, *_X264, "-pix_fmt", "yuv444p", *_AAC, "-g", "60"], ["180p", "audio"]),
    "4:3 at 60 fps": ([*_picture("640x480", 60), *_TONE, *_X264, *_AAC, "-g", "111"], ["480p", "360p", "audio"]),
    "vertical": ([*_picture("608x1080", 25), *_X264, "-g", "50"], ["608p", "480p", "360p"]),
    "variable frame rate": (
        [*_picture("640x360", 30, r",select=lt(mod(n\,40)\,25)"), *_TONE, "-fps_mode", "vfr", *_X264, *_AAC, "-g", "20"],
        ["360p", "audio"],
    ),
    "keyframes every 10 s": ([*_picture("640x360"), *_TONE, *_X264, *_AAC, "-g", "300"], ["360p", "audio"]),
    "keyframes every 10 s at 60 fps": ([*_picture("854x480", 60), *_X264, "-g", "600"], ["480p", "360p"]),
    "keyframes every 1.5 s": ([*_picture("640x360"), *_TONE, *_X264, *_AAC, "-g", "45"], ["360p", "audio"]),
    "B-frames": ([*_picture("854x480"), *_TONE, *_X264, "-bf", "3", *_AAC, "-g", "60"], ["480p", "360p", "audio"]),
    "mono at 44.1 kHz": (
        [*_picture("320x180"), *_TONE, *_X264, "-c:a", "aac", "-ac", "1", "-ar", "44100", "-g", "60"], ["180p", "audio"]),
    "MP3": ([*_picture("320x180"), *_TONE, *_X264, "-c:a", "libmp3lame", "-ar", "44100", "-g", "60"], ["180p", "audio"]),
    "video only": ([*_picture("320x180"), *_X264, "-g", "60"], ["180p"]),
    "audio only": ([*_TONE, *_AAC], ["audio"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_becomes_aligned_segments_that_decode(name: str, tmp_path: Path) -> None:
    arguments, tracks = SOURCES[name]
    sink = read_session(recorded(tmp_path, *arguments))

    assert len(sink.epochs) == 1, "nothing was stored before the right plan was found"
    media, segments = sink.epochs[0]
    assert [track.track_id for track in media.tracks] == tracks
    seconds = 3 if "-t" in arguments else 7
    assert seconds - 0.2 <= sum(segment.duration_ms for segment in segments) / 1000 <= seconds + 0.3
    for before, after in itertools.pairwise(segments):
        assert after.start_ms == before.start_ms + before.duration_ms
    for track in media.tracks:
        for segment in segments:
            share = segment.tracks[track.track_id]
            assert share.data
            assert share.duration / track.timescale < 2.5, "TARGETDURATION is 2"
            if track.kind is TrackKind.VIDEO:
                _, (first, *_) = probe(media.inits[track.track_id] + share.data)
                assert first["flags"].startswith("K")
                assert abs(first["dts"] * 1000 / track.timescale - segment.start_ms) <= 1
        assert decoded_frames(sink.media(0, track.track_id))
    assert bool(sink.thumbnails) == (tracks != ["audio"])


def test_encoded_sound_stays_where_its_timestamps_say_though_the_encoders_clock_drifts(tmp_path: Path) -> None:
    beeps = "aevalsrc=0.8*sin(2*PI*1000*t)*lt(mod(t\\,4)\\,0.02):s=44100:d=60"
    recording = recorded(tmp_path, "-f", "lavfi", "-i", beeps, "-c:a", "libmp3lame")
    drifting = [replace(tag, timestamp=round(tag.timestamp * 1.001)) for tag in recording]
    sink = read_session(drifting)
    late_ms = [at - number * 4 * 1.001 * 1000 for number, at in enumerate(_loud_at_ms(sink.media(0, "audio")))]
    assert len(late_ms) == 15
    assert max(late_ms) - min(late_ms) < 20, late_ms


def _loud_at_ms(media: bytes) -> list[float]:
    """When each beep begins, as decoded."""
    command = ["ffmpeg", "-v", "error", "-i", "pipe:0", "-ac", "1", "-ar", "48000", "-f", "s16le", "pipe:1"]
    heard = array("h", subprocess.run(command, input=media, capture_output=True, timeout=60, check=True).stdout)
    loud = [number for number, sample in enumerate(heard) if abs(sample) > 6000]
    return [at / 48 for before, at in itertools.pairwise([-48_000, *loud]) if at - before >= 48_000]

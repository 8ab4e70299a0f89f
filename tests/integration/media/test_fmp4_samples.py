"""What we write of frames as RTMP brings them is, for ffprobe, just what the encoder made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ffmpeg_worker.track_samples import AudioSamples, TrackSamples, VideoSamples
from headwater.media import fmp4
from headwater.media.flv import Tag, TagReader
from headwater.media.timeline import TrackKind
from tests.ffprobe import frame_hashes, probe

_PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30000/1001", "-t", "4", "-c:v", "libx264")
_TONE = ("-f", "lavfi", "-i", "sine=sample_rate=44100", "-t", "4", "-c:a", "aac")
SOURCES = {
    "B-frames": (*_PICTURE, "-preset", "ultrafast", "-bf", "2", "-g", "30", "-pix_fmt", "yuv420p"),
    "no B-frames": (*_PICTURE, "-preset", "veryfast", "-bf", "0", "-g", "30", "-pix_fmt", "yuv420p"),
    "stereo": (*_TONE, "-ac", "2"),
    "mono": (*_TONE, "-ac", "1"),
}


def _frames(path: Path, *arguments: str) -> list[Tag]:
    subprocess.run(["ffmpeg", "-v", "error", *arguments, "-f", "flv", str(path)], check=True, timeout=60)
    return list(TagReader().feed(path.read_bytes()))


@pytest.mark.parametrize("name", SOURCES)
def test_two_segments_hold_every_frame_at_its_time(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source.flv"
    tags = _frames(source, *SOURCES[name])
    track: TrackSamples = VideoSamples() if tags[-1].is_video else AudioSamples()
    track.configure(next(tag for tag in tags if tag.is_sequence_header))
    frames = [tag for tag in tags if tag.is_media]
    samples = [track.sample(tag) for tag in frames]
    track.end()
    assert track.init is not None and track.complete_until is not None
    half = next(n for n, sample in enumerate(samples) if n >= len(samples) // 2 and sample.is_sync)
    first = fmp4.fragment(1, samples[:half], samples[half].decode_time, track.shift)
    media = track.init.data + first + fmp4.fragment(2, samples[half:], track.complete_until, track.shift)

    told, packets = probe(media)
    assert told["codec_type"] == track.init.kind
    assert told["time_base"] == f"1/{track.init.timescale}"
    if track.init.kind is TrackKind.VIDEO:
        assert (told["width"], told["height"]) == (640, 360)
    else:
        assert (told["channels"], told["sample_rate"]) == (track.init.channels, "44100")
    assert [packet["dts"] for packet in packets] == [sample.decode_time + track.shift for sample in samples]
    assert [int(packet["size"]) for packet in packets] == [len(sample.data) for sample in samples]
    assert [packet["flags"].startswith("K") for packet in packets] == [sample.is_sync for sample in samples]
    shown = [packet["pts"] for packet in packets]
    moved = {pts - sample.decode_time - sample.composition_offset for pts, sample in zip(shown, samples, strict=True)}
    assert len(moved) == 1
    assert frame_hashes(media) == frame_hashes(source.read_bytes())

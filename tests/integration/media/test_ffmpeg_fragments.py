"""The box parser on what FFmpeg really writes to a pipe, with ffprobe as the judge."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from headwater.media.boxes import Fragment, FragmentReader, InitSegment, merge_fragments
from headwater.media.timeline import TrackKind

PIPE_BYTES = 4093  # an odd size, so that boxes are cut anywhere
FRAGMENTED = (
    *("-movflags", "+frag_keyframe+empty_moov+default_base_moof+frag_discont", "-frag_duration", "500000"),
    *("-use_editlist", "0", "-avoid_negative_ts", "disabled", "-flush_packets", "1", "-f", "mp4", "pipe:1"),
)
EVERY_FRAME = ("-movflags", "+frag_every_frame+empty_moov+default_base_moof+frag_discont", *FRAGMENTED[4:])


def run(*arguments: str) -> bytes:
    command = ["ffmpeg", "-v", "error", "-nostdin", *arguments]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


def read(stream: bytes) -> tuple[InitSegment, list[Fragment]]:
    reader = FragmentReader()
    items = [item for at in range(0, len(stream), PIPE_BYTES) for item in reader.feed(stream[at : at + PIPE_BYTES])]
    init, fragments = items[0], [item for item in items if isinstance(item, Fragment)]
    assert isinstance(init, InitSegment)
    assert len(fragments) == len(items) - 1
    return init, fragments


def probe(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_packets", "-of", "json", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert not done.stderr, done.stderr
    answer = json.loads(done.stdout)
    return answer["streams"][0], answer["packets"]


def frame_hashes(path: Path) -> str:
    text = run("-copyts", "-i", str(path), "-f", "framemd5", "-").decode()
    return "\n".join(line.split()[-1] for line in text.splitlines() if not line.startswith("#"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an encoder sends: 5 s of H.264 with B-frames, a keyframe a second, and stereo AAC, times in milliseconds."""
    path = tmp_path_factory.mktemp("source") / "source.flv"
    run(
        *("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30000/1001", "-f", "lavfi", "-i", "sine=sample_rate=44100"),
        *("-t", "5", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "30", "-pix_fmt", "yuv420p"),
        *("-c:a", "aac", "-ac", "2", "-f", "flv", str(path)),
    )
    return path


OUTPUTS = {
    "copied": (
        "-map",
        "0:v",
        "-c:v",
        "copy",
        "-fps_mode",
        "passthrough",
        "-video_track_timescale",
        "90000",
        *FRAGMENTED,
    ),
    "encoded": (
        *("-map", "0:v", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-vf", "scale=-2:180", "-g", "600"),
        *("-fps_mode", "passthrough", "-enc_time_base", "-1", "-video_track_timescale", "90000"),
        *("-force_key_frames", "source", *FRAGMENTED),
    ),
    "copied audio": ("-map", "0:a", "-c:a", "copy", *EVERY_FRAME),
    "encoded audio": ("-map", "0:a", "-c:a", "aac", "-ar", "48000", *EVERY_FRAME),
}


@pytest.mark.parametrize("output", OUTPUTS)
def test_what_the_parser_says_of_a_pipe_is_what_ffprobe_says(source: Path, tmp_path: Path, output: str) -> None:
    stream = run("-copyts", "-i", str(source), *OUTPUTS[output])
    init, fragments = read(stream)
    whole = tmp_path / "whole.mp4"
    whole.write_bytes(init.data + b"".join(fragment.data for fragment in fragments))
    told, packets = probe(whole)

    assert init.kind == told["codec_type"]
    assert told["time_base"] == f"1/{init.timescale}"
    if init.kind is TrackKind.VIDEO:
        assert (init.width, init.height) == (told["width"], told["height"])
        assert init.codec.startswith("avc1.") and int(init.codec[-2:], 16) == told["level"]
    else:
        assert (init.channels, str(init.sample_rate)) == (told["channels"], told["sample_rate"])
        assert init.codec == "mp4a.40.2"

    position = 0
    for fragment in fragments:
        own = packets[position : position + fragment.sample_count]
        position += fragment.sample_count
        assert fragment.decode_time == own[0]["dts"]
        assert fragment.presentation_time == min(packet["pts"] for packet in own)
        assert fragment.starts_with_sync == own[0]["flags"].startswith("K")
        if position < len(packets):
            assert fragment.duration == packets[position]["dts"] - own[0]["dts"]
    assert position == len(packets)


@pytest.mark.parametrize("output", OUTPUTS)
def test_merged_fragments_hold_the_same_samples_at_the_same_times(source: Path, tmp_path: Path, output: str) -> None:
    init, fragments = read(run("-copyts", "-i", str(source), *OUTPUTS[output]))
    apart, merged = tmp_path / "apart.mp4", tmp_path / "merged.mp4"
    apart.write_bytes(init.data + b"".join(fragment.data for fragment in fragments))
    half = len(fragments) // 2
    segments = [merge_fragments(fragments[:half], 1), merge_fragments(fragments[half:], 2)]
    merged.write_bytes(init.data + b"".join(segment.data for segment in segments))

    samples = [probe(path)[1] for path in (apart, merged)]
    for key in ("size", "flags"):
        assert [sample[key] for sample in samples[0]] == [sample[key] for sample in samples[1]]
    # FFmpeg's reader moves a whole track by its most negative composition offset; nobody else does.
    moved = {after["pts"] - before["pts"] for before, after in zip(*samples, strict=True)}
    assert len(moved) == 1
    assert output == "copied" or moved == {0}
    assert frame_hashes(apart) == frame_hashes(merged)
    assert segments[0].decode_time == segments[0].presentation_time == fragments[0].presentation_time
    assert segments[1].decode_time == segments[0].decode_time + segments[0].duration
    assert sum(segment.sample_count for segment in segments) == len(samples[0])
    assert len(merged.read_bytes()) < len(apart.read_bytes())


def test_copied_and_encoded_pictures_are_shown_at_the_same_times_although_one_has_b_frames(source: Path) -> None:
    _, copied = read(run("-copyts", "-i", str(source), *OUTPUTS["copied"]))
    _, encoded = read(run("-copyts", "-i", str(source), *OUTPUTS["encoded"]))

    def keyframes(fragments: list[Fragment]) -> list[int]:
        return [fragment.presentation_time for fragment in fragments if fragment.starts_with_sync]

    assert len(keyframes(copied)) == 5
    assert keyframes(copied) == keyframes(encoded)
    assert copied[0].decode_time < encoded[0].decode_time


def test_audio_comes_as_one_fragment_a_frame(source: Path) -> None:
    _, fragments = read(run("-copyts", "-i", str(source), *OUTPUTS["encoded audio"]))
    assert {fragment.sample_count for fragment in fragments} == {1}
    assert len(fragments) > 5 * 48_000 // 1024


def test_an_edit_list_that_would_shift_a_track_is_taken_out(source: Path, tmp_path: Path) -> None:
    stream = run(
        *("-copyts", "-i", str(source), "-map", "0:v", "-c", "copy", "-f", "mp4"),
        *("-movflags", "+frag_keyframe+delay_moov+default_base_moof", "pipe:1"),
    )
    assert b"elst" in stream
    init, fragments = read(stream)
    assert b"elst" not in init.data
    path = tmp_path / "clean.mp4"
    path.write_bytes(init.data + b"".join(fragment.data for fragment in fragments))
    _, packets = probe(path)
    assert packets[0]["dts"] == fragments[0].decode_time


def test_mono_is_told_as_mono(tmp_path: Path) -> None:
    init, _ = read(
        run("-f", "lavfi", "-i", "sine=sample_rate=44100", "-t", "1", "-c:a", "aac", "-ac", "1", *EVERY_FRAME)
    )
    assert (init.channels, init.sample_rate, init.codec) == (1, 44_100, "mp4a.40.2")

"""A small recording of real media in a folder, cut and named as the packager does, for players to prove manifests on."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ffmpeg_worker.track_samples import AudioSamples, TrackSamples, VideoSamples
from headwater.media import dash, fmp4, hls, object_keys
from headwater.media.flv import TagReader, unwrapped
from headwater.media.fmp4 import InitSegment, Sample
from headwater.media.renditions import rendition_ids
from headwater.media.timeline import Epoch, Segment, Timeline, Track, TrackKind, TrackSegment
from tests.timelines import BROADCAST, STREAM, WALL

FRAME_RATE = 25
_FRAMES = ("-avoid_negative_ts", "disabled", "-f", "flv")


def record(
    folder: Path, seconds: Sequence[int], first_clock_seconds: Sequence[int], *, with_audio: bool = True
) -> Timeline:
    """A broadcast in two renditions and sound; `folder` is the CDN's root.

    It has one epoch for each of `seconds`, whose publisher's clock begins at `first_clock_seconds`.
    """
    epochs: list[Epoch] = []
    segments: list[Segment] = []
    for number, length in enumerate(seconds, start=1):
        start_seconds = first_clock_seconds[number - 1]
        tracks = _encode(folder, length, start_seconds, with_audio)
        wall = WALL + sum(seconds[: number - 1]) * 1000 + number * 10_000
        epoch = Epoch(
            number, number, start_seconds * 1000, wall, tuple(_track(name, tracks[name].init) for name in tracks)
        )
        for name, track in tracks.items():
            _write(folder, object_keys.init_segment(STREAM, BROADCAST, name, number), track.init.data)
        segments += _segments(folder, epoch, tracks, len(segments))
        epochs.append(epoch)
    timeline = Timeline(STREAM, BROADCAST, tuple(epochs), tuple(segments))
    write_manifests(folder, timeline)
    return timeline


def write_manifests(folder: Path, timeline: Timeline, *, complete: bool = True, now_ms: int = WALL) -> None:
    for rendition_id in rendition_ids(timeline.epochs):
        text = hls.media_playlist(timeline, rendition_id, complete=complete)
        _write(folder, object_keys.media_playlist(STREAM, BROADCAST, rendition_id), text.encode())
    if complete:
        index = hls.multivariant_playlist(timeline, complete=True)
        _write(folder, object_keys.recording_hls(STREAM, BROADCAST), index.encode())
        _write(
            folder,
            object_keys.recording_dash(STREAM, BROADCAST),
            dash.manifest(timeline, complete=True, now_ms=now_ms).encode(),
        )
    else:
        prefix = f"{BROADCAST}/"
        _write(folder, object_keys.live_hls(STREAM), hls.multivariant_playlist(timeline, prefix=prefix).encode())
        live = dash.manifest(timeline, complete=False, prefix=prefix, now_ms=now_ms)
        _write(folder, object_keys.live_dash(STREAM), live.encode())


@dataclass(frozen=True)
class EncodedTrack:
    init: InitSegment
    samples: list[Sample]
    end: int
    shift: int

    def shown_ms(self, sample: Sample) -> int:
        return (sample.decode_time + sample.composition_offset) * 1000 // self.init.timescale


Tracks = dict[str, EncodedTrack]


def _encode(folder: Path, seconds: int, start_seconds: int, with_audio: bool) -> Tracks:
    outputs: dict[str, tuple[str, ...]] = {
        "360p": ("-map", "0:v", "-s", "640x360", "-g", "50", "-bf", "2", *_FRAMES),
        "180p": ("-map", "0:v", "-s", "320x180", "-g", "50", "-bf", "0", *_FRAMES),
    }
    if with_audio:
        outputs["audio"] = ("-map", "1:a", "-c:a", "aac", *_FRAMES)
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-nostdin",
        "-y",
        "-f",
        "lavfi",
        "-i",
        f"testsrc2=size=640x360:rate={FRAME_RATE}",
    ]
    command += ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:beep_factor=4"]
    for name, options in outputs.items():
        command += ["-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
        command += ["-output_ts_offset", str(start_seconds), *options, str(folder / f"{name}.pipe")]
    subprocess.run(command, check=True, timeout=60)
    tracks: Tracks = {}
    for name in outputs:
        path = folder / f"{name}.pipe"
        tags = [unwrapped(tag, start_seconds * 1000) for tag in TagReader().feed(path.read_bytes())]
        path.unlink()
        track: TrackSamples = AudioSamples() if name == "audio" else VideoSamples()
        track.configure(next(tag for tag in tags if tag.is_sequence_header))
        samples = [track.sample(tag) for tag in tags if tag.is_media and (tag.is_video or tag.timestamp >= 0)]
        track.end()
        assert track.init is not None and track.complete_until is not None
        tracks[name] = EncodedTrack(track.init, samples, track.complete_until, track.shift)
    return tracks


def _track(name: str, init: InitSegment) -> Track:
    return Track(
        name,
        init.kind,
        init.codec,
        init.timescale,
        init.width,
        init.height,
        float(FRAME_RATE) if init.kind is TrackKind.VIDEO else 0.0,
        init.channels,
        init.sample_rate,
    )


def _segments(folder: Path, epoch: Epoch, tracks: Tracks, first_sequence: int) -> list[Segment]:
    """A segment for every keyframe of the picture; sound is cut at the first frame that begins at or after it."""
    picture = tracks["360p"]
    starts = [picture.shown_ms(sample) for sample in picture.samples if sample.is_sync]
    made = []
    for index, (start_ms, end_ms) in enumerate(pairwise([*starts, 1 << 40])):
        parts = {}
        for name, track in tracks.items():
            before = [n for n, sample in enumerate(track.samples) if track.shown_ms(sample) < start_ms]
            inside = [n for n, sample in enumerate(track.samples) if track.shown_ms(sample) < end_ms]
            # Pictures are reordered between keyframes only: counting those shown before is counting those decoded before.
            first, last = len(before) if index else 0, len(inside)
            samples = track.samples[first:last]
            end = track.samples[last].decode_time if last < len(track.samples) else track.end
            data = fmp4.fragment(index + 1, samples, end, track.shift)
            key = object_keys.media_segment(STREAM, BROADCAST, name, epoch.number, start_ms)
            _write(folder, key, data)
            begin = samples[0].decode_time
            parts[name] = TrackSegment(begin + track.shift, end - begin, len(data))
        made.append(Segment(first_sequence + index, epoch.number, start_ms, parts))
    return made


def _write(folder: Path, key: str, data: bytes) -> None:
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)

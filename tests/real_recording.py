"""A small recording of real media in a folder, cut and named as the packager does, for players to prove manifests on."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from headwater.media import dash, hls, object_keys
from headwater.media.boxes import Fragment, FragmentReader, InitSegment, merge_fragments
from headwater.media.renditions import rendition_ids
from headwater.media.timeline import Epoch, Segment, Timeline, Track, TrackKind, TrackSegment
from tests.timelines import BROADCAST, STREAM, WALL

FRAME_RATE = 25
_COMMON = ("-use_editlist", "0", "-avoid_negative_ts", "disabled", "-f", "mp4")
_VIDEO = ("-movflags", "+frag_keyframe+empty_moov+default_base_moof+frag_discont", *_COMMON)
_AUDIO = ("-movflags", "+frag_every_frame+empty_moov+default_base_moof+frag_discont", *_COMMON)


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
            number, number, start_seconds * 1000, wall, tuple(_track(name, tracks[name][0]) for name in tracks)
        )
        for name, (init, _) in tracks.items():
            _write(folder, object_keys.init_segment(STREAM, BROADCAST, name, number), init.data)
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


Tracks = dict[str, tuple[InitSegment, list[Fragment]]]


def _encode(folder: Path, seconds: int, start_seconds: int, with_audio: bool) -> Tracks:
    outputs: dict[str, tuple[str, ...]] = {
        "360p": ("-map", "0:v", "-s", "640x360", "-g", "50", "-bf", "2", *_VIDEO),
        "180p": ("-map", "0:v", "-s", "320x180", "-g", "50", "-bf", "0", *_VIDEO),
    }
    if with_audio:
        outputs["audio"] = ("-map", "1:a", "-c:a", "aac", *_AUDIO)
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
        command += ["-video_track_timescale", "90000"] if name != "audio" else []
        command += ["-output_ts_offset", str(start_seconds), *options, str(folder / f"{name}.pipe")]
    subprocess.run(command, check=True, timeout=60)
    tracks: Tracks = {}
    for name in outputs:
        path = folder / f"{name}.pipe"
        init, *fragments = FragmentReader().feed(path.read_bytes())
        path.unlink()
        assert isinstance(init, InitSegment)
        tracks[name] = init, [fragment for fragment in fragments if isinstance(fragment, Fragment)]
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
    init, fragments = tracks["360p"]
    starts = [f.presentation_time * 1000 // init.timescale for f in fragments if f.starts_with_sync]
    made = []
    for index, (start_ms, end_ms) in enumerate(pairwise([*starts, 1 << 40])):
        parts = {}
        for name, (own, all_fragments) in tracks.items():
            chosen = [f for f in all_fragments if start_ms <= f.presentation_time * 1000 // own.timescale < end_ms]
            if own.kind is TrackKind.AUDIO and index == 0:
                chosen = [f for f in all_fragments if f.presentation_time * 1000 // own.timescale < end_ms]
            merged = merge_fragments(chosen, index + 1)
            key = object_keys.media_segment(STREAM, BROADCAST, name, epoch.number, start_ms)
            _write(folder, key, merged.data)
            parts[name] = TrackSegment(merged.decode_time, merged.duration, len(merged.data))
        made.append(Segment(first_sequence + index, epoch.number, start_ms, parts))
    return made


def _write(folder: Path, key: str, data: bytes) -> None:
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)

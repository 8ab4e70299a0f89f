"""Stages 4–6 · writes every HLS playlist (RFC 8216 and draft-pantos-hls-rfc8216bis) as a view of the timeline.

A playlist depends on nothing but the timeline that it is given, so any worker, and the finaliser after it, writes the same
tags for the same segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from headwater.media.object_keys import AUDIO_TRACK
from headwater.media.renditions import (
    Bitrate,
    measure_bitrate,
    played_epochs,
    reference_part,
    rendition_ids,
    serving_tracks,
    stored_part,
)
from headwater.media.timeline import (
    LIVE_WINDOW_SEGMENTS,
    TARGET_DURATION_SECONDS,
    Epoch,
    Segment,
    Timeline,
    Track,
    TrackKind,
)

_MAP_VERSION = 7  # EXT-X-MAP outside I-frame playlists needs 6; fragmented MP4 came with 7
_GAP_VERSION = 8
_AUDIO_GROUP = "audio"


def media_playlist(timeline: Timeline, track_id: str, *, complete: bool, prefix: str = "") -> str:
    """The playlist of one rendition: all of it when `complete` (a recording), else the live window at the timeline's end.

    Where an epoch has no such track, its nearest rendition stands in; where it has none of that kind, or a segment could
    not be stored, the segment is an EXT-X-GAP. URIs are relative to `/{stream_id}/{broadcast_id}/`, with `prefix` before them.
    """
    segments = timeline.segments if complete else timeline.segments[-LIVE_WINDOW_SEGMENTS:]
    serving = serving_tracks(timeline, track_id)
    epochs = {epoch.number: epoch for epoch in timeline.epochs}
    epochs_before = list(epochs).index(segments[0].epoch) if segments else 0
    has_gap = any(stored_part(segment, serving[segment.epoch]) is None for segment in segments)

    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_GAP_VERSION if has_gap else _MAP_VERSION}",
        f"#EXT-X-TARGETDURATION:{TARGET_DURATION_SECONDS}",
        f"#EXT-X-MEDIA-SEQUENCE:{segments[0].sequence if segments else 0}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{epochs_before}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    if complete:
        lines.append("#EXT-X-PLAYLIST-TYPE:VOD")
    # With nothing but gaps, the init may be what could not be stored.
    mapped = {segment.epoch for segment in segments if stored_part(segment, serving[segment.epoch]) is not None}
    previous: Segment | None = None
    for segment in segments:
        track, epoch = serving[segment.epoch], epochs[segment.epoch]
        if previous is None or previous.epoch != segment.epoch:
            if previous is not None:
                lines.append("#EXT-X-DISCONTINUITY")
            if track is not None and segment.epoch in mapped:
                lines.append(f'#EXT-X-MAP:URI="{prefix}{track.track_id}/{epoch.number}-init.mp4"')
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_shown_at(epoch, segment, track)}")
        lines += _segment(segment, track, track_id, epoch, prefix)
        previous = segment
    if complete:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def _shown_at(epoch: Epoch, segment: Segment, track: Track | None) -> str:
    return _rfc3339(epoch.wall_start_ms + _start_ms(segment, track) - epoch.media_start_ms)


def _segment(segment: Segment, track: Track | None, rendition_id: str, epoch: Epoch, prefix: str) -> Iterator[str]:
    if stored_part(segment, track) is None:
        yield "#EXT-X-GAP"
    yield f"#EXTINF:{_microseconds(segment, track, epoch) / 1_000_000:.6f},"
    folder = track.track_id if track is not None else rendition_id
    yield f"{prefix}{folder}/{epoch.number}-{segment.start_ms}.m4s"


def _microseconds(segment: Segment, track: Track | None, epoch: Epoch) -> int:
    """How long a segment lasts, as the difference of its rounded ends: rounding never adds up over a playlist."""
    own = segment.tracks.get(track.track_id) if track is not None else None
    told_by = (track, own) if track is not None and own is not None else reference_part(segment, epoch)
    if told_by is None:
        return TARGET_DURATION_SECONDS * 1_000_000
    clock, part = told_by
    end = part.decode_time + part.duration
    return _round_to_us(end, clock.timescale) - _round_to_us(part.decode_time, clock.timescale)


def _round_to_us(time: int, timescale: int) -> int:
    return (2_000_000 * time + timescale) // (2 * timescale)


def _start_ms(segment: Segment, track: Track | None) -> int:
    """When the first sample is shown, on the publisher's clock. A segment is named by its picture; sound starts by itself."""
    part = segment.tracks.get(track.track_id) if track is not None else None
    if part is not None and track is not None and track.kind is TrackKind.AUDIO:
        return (2000 * part.decode_time + track.timescale) // (2 * track.timescale)
    return segment.start_ms


def multivariant_playlist(timeline: Timeline, *, prefix: str = "", complete: bool = False) -> str:
    """The playlist of all renditions, highest first; `prefix` goes before every URI (`{broadcast_id}/` for the live one).

    Live, it offers what the newest epoch has; complete, whatever any epoch had. Raises ValueError without segments.
    """
    if not timeline.segments:
        raise ValueError("a broadcast without segments has nothing to offer")
    offered = played_epochs(timeline) if complete else played_epochs(timeline)[-1:]
    ids = rendition_ids(offered)
    pictures = [track_id for track_id in ids if track_id != AUDIO_TRACK]
    sound = AUDIO_TRACK if AUDIO_TRACK in ids else None

    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_MAP_VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    sound_rate = _bitrate(timeline, offered, sound, complete) if sound else Bitrate(0, 0)
    if sound and pictures:
        channels = max(track.channels for track in _tracks(offered, sound))
        lines.append(
            f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{_AUDIO_GROUP}",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,'
            f'CHANNELS="{channels}",URI="{prefix}{sound}.m3u8"'
        )
    for track_id in pictures or ([sound] if sound else []):
        rate = _bitrate(timeline, offered, track_id, complete)
        if pictures:
            rate = Bitrate(rate.average + sound_rate.average, rate.peak + sound_rate.peak)
        lines.append("#EXT-X-STREAM-INF:" + ",".join(_variant(timeline, offered, track_id, sound, rate)))
        lines.append(f"{prefix}{track_id}.m3u8")
    return "\n".join(lines) + "\n"


def announced_peaks(timeline: Timeline) -> Mapping[str, int]:
    """What the live multivariant playlist says that each rendition takes at most, in bits per second."""
    offered = played_epochs(timeline)[-1:]
    return {track_id: _bitrate(timeline, offered, track_id, complete=False).peak for track_id in rendition_ids(offered)}


def _variant(
    timeline: Timeline, offered: Sequence[Epoch], track_id: str, sound: str | None, rate: Bitrate
) -> Iterator[str]:
    tracks = _tracks(offered, track_id)
    codecs = [track.codec for track in reversed(_serving(timeline, track_id))]
    if sound and sound != track_id:
        codecs += [track.codec for track in reversed(_serving(timeline, sound))]
    yield f"BANDWIDTH={max(1, rate.peak)}"
    yield f"AVERAGE-BANDWIDTH={max(1, rate.average)}"
    yield f'CODECS="{",".join(dict.fromkeys(codecs))}"'
    if tracks[0].kind is TrackKind.VIDEO:
        largest = max(tracks, key=lambda track: track.width * track.height)
        yield f"RESOLUTION={largest.width}x{largest.height}"
        frame_rate = max(track.frame_rate for track in tracks)
        if frame_rate > 0:
            yield f"FRAME-RATE={frame_rate:.3f}"
        if sound:
            yield f'AUDIO="{_AUDIO_GROUP}"'


def _tracks(epochs: Sequence[Epoch], track_id: str) -> list[Track]:
    return [track for epoch in epochs if (track := epoch.track(track_id)) is not None]


def _serving(timeline: Timeline, track_id: str) -> list[Track]:
    """The tracks that the rendition's playlist will name, in order: CODECS must hold all of them."""
    serving = serving_tracks(timeline, track_id)
    numbers = dict.fromkeys(segment.epoch for segment in timeline.segments)
    return [track for number in numbers if (track := serving[number]) is not None]


def _bitrate(timeline: Timeline, offered: Sequence[Epoch], track_id: str, complete: bool) -> Bitrate:
    """Measured. While live, at least what the encoder may reach, for the first segments may be of a black picture."""
    measured = measure_bitrate(timeline, track_id)
    if complete:
        return measured
    declared = max(track.declared_bits_per_second for track in _tracks(offered, track_id))
    return Bitrate(measured.average, max(measured.peak, declared))


def _rfc3339(unix_ms: int) -> str:
    seconds, milliseconds = divmod(unix_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"

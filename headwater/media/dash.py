"""Stages 4–6 · writes the DASH manifest (ISO/IEC 23009-1) over the same segments as HLS, as another view of the timeline.

One Period an epoch. Segment names carry milliseconds of the publisher's clock and are the same in every track, so every
SegmentTemplate counts in milliseconds, `$Time$` is the name, and `presentationTimeOffset` says which of those milliseconds
is the Period's beginning. Samples keep their own exact timescale; players place them by `tfdt`, which agrees with the
name to within a millisecond of the picture, and within one audio frame of the sound.

Live, Period@start is Unix time (`availabilityStartTime` is 1970), so it needs nothing that a window of the timeline does
not hold, and an interruption is a hole between two Periods. In a recording the Periods follow one another without holes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from itertools import groupby
from xml.sax.saxutils import quoteattr

from headwater.media.object_keys import AUDIO_MP4_TYPE, MP4_TYPE
from headwater.media.renditions import measure_bitrate, reference_part, rendition_ids, stored_part
from headwater.media.timeline import (
    LIVE_WINDOW_SEGMENTS,
    SEGMENT_SECONDS,
    TARGET_DURATION_SECONDS,
    Epoch,
    Segment,
    Timeline,
    Track,
    TrackKind,
)

SUGGESTED_DELAY_SECONDS = 3 * TARGET_DURATION_SECONDS  # what HLS players keep from the live edge
_JOIN_TOLERANCE_MS = 50  # names are rounded down to milliseconds and sound is cut at its own frames
_COMMON_RATES = tuple(Fraction(n, d) for n in (24, 25, 30, 48, 50, 60, 15, 20, 10, 12) for d in (1,)) + tuple(
    Fraction(n * 1000, 1001) for n in (24, 30, 48, 60)
)


def manifest(timeline: Timeline, *, complete: bool, prefix: str = "", now_ms: int) -> str:
    """The MPD: static over everything when `complete`, else dynamic over the live window. `now_ms` is Unix time.

    `prefix` goes before every segment's URI (`{broadcast_id}/` for the live manifest). Raises ValueError without segments.
    """
    segments = timeline.segments if complete else timeline.segments[-LIVE_WINDOW_SEGMENTS:]
    if not segments:
        raise ValueError("a broadcast without segments has nothing to offer")
    epochs = {epoch.number: epoch for epoch in timeline.epochs}
    window = Timeline(timeline.stream_id, timeline.broadcast_id, timeline.epochs, segments)
    bandwidths = {
        rendition_id: measure_bitrate(window, rendition_id) for rendition_id in rendition_ids(timeline.epochs)
    }
    bitrates = {rendition_id: bitrate.peak for rendition_id, bitrate in bandwidths.items()}

    periods: list[str] = []
    elapsed_ms = 0
    for number, grouped in groupby(segments, key=lambda segment: segment.epoch):
        epoch, run = epochs[number], list(grouped)
        first_ms = run[0].start_ms
        last_ms = _end_ms(run[-1], epoch)
        start_ms = elapsed_ms if complete else epoch.wall_start_ms
        offset_ms = first_ms if complete else epoch.media_start_ms
        duration = f" duration={_quoted(_duration(last_ms - first_ms))}" if complete else ""
        periods.append(f'  <Period id="{number}" start={_quoted(_duration(start_ms))}{duration}>')
        periods += _adaptation_sets(epoch, run, prefix, offset_ms, bitrates, complete)
        periods.append("  </Period>")
        elapsed_ms += last_ms - first_ms

    lines = ['<?xml version="1.0" encoding="UTF-8"?>', _head(complete, elapsed_ms, now_ms), *periods]
    if not complete:
        lines.append(f'  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" value={_quoted(_utc(now_ms))}/>')
    lines.append("</MPD>")
    return "\n".join(lines) + "\n"


def _head(complete: bool, elapsed_ms: int, now_ms: int) -> str:
    attributes = {
        "xmlns": "urn:mpeg:dash:schema:mpd:2011",
        "profiles": "urn:mpeg:dash:profile:isoff-live:2011",
        "type": "static" if complete else "dynamic",
        "minBufferTime": _duration(TARGET_DURATION_SECONDS * 1000),
        "maxSegmentDuration": _duration(2500),
    }
    if complete:
        attributes["mediaPresentationDuration"] = _duration(elapsed_ms)
    else:
        attributes |= {
            "availabilityStartTime": "1970-01-01T00:00:00Z",
            "publishTime": _utc(now_ms),
            "minimumUpdatePeriod": _duration(round(SEGMENT_SECONDS * 1000)),
            "timeShiftBufferDepth": _duration(round(LIVE_WINDOW_SEGMENTS * SEGMENT_SECONDS * 1000)),
            "suggestedPresentationDelay": _duration(SUGGESTED_DELAY_SECONDS * 1000),
        }
    return f"<MPD {_attributes(attributes)}>"


def _adaptation_sets(
    epoch: Epoch, run: Sequence[Segment], prefix: str, offset_ms: int, bitrates: dict[str, int], complete: bool
) -> Iterator[str]:
    for set_id, kind in enumerate((TrackKind.VIDEO, TrackKind.AUDIO)):
        tracks = [
            track for track_id in rendition_ids([epoch]) if (track := epoch.track(track_id)) and track.kind is kind
        ]
        timelines = {track.track_id: _segment_timeline(epoch, run, track) for track in tracks}
        tracks = [track for track in tracks if timelines[track.track_id]]
        if not tracks:
            continue
        attributes = {"id": str(set_id), "contentType": str(kind), "segmentAlignment": "true", "startWithSAP": "1"}
        attributes["mimeType"] = MP4_TYPE if kind is TrackKind.VIDEO else AUDIO_MP4_TYPE
        yield f"    <AdaptationSet {_attributes(attributes)}>"
        shared = timelines[tracks[0].track_id]
        is_shared = all(timelines[track.track_id] == shared for track in tracks)
        if is_shared:
            yield from _template(epoch, prefix, offset_ms, shared, indent=6)
        for track in tracks:
            bandwidth = bitrates[track.track_id]
            if not complete:
                bandwidth = max(bandwidth, track.declared_bits_per_second)
            yield from _representation(track, max(1, bandwidth), closed=is_shared and kind is TrackKind.VIDEO)
            if kind is TrackKind.AUDIO:
                yield (
                    '        <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011"'
                    f' value="{track.channels}"/>'
                )
            if not is_shared:
                yield from _template(epoch, prefix, offset_ms, timelines[track.track_id], indent=8)
            if not (is_shared and kind is TrackKind.VIDEO):
                yield "      </Representation>"
        yield "    </AdaptationSet>"


def _representation(track: Track, bandwidth: int, *, closed: bool) -> Iterator[str]:
    attributes = {"id": track.track_id, "codecs": track.codec, "bandwidth": str(bandwidth)}
    if track.kind is TrackKind.VIDEO:
        attributes |= {"width": str(track.width), "height": str(track.height)}
        if track.frame_rate > 0:
            attributes["frameRate"] = _frame_rate(track.frame_rate)
    else:
        attributes["audioSamplingRate"] = str(track.sample_rate)
    yield f"      <Representation {_attributes(attributes)}{'/' if closed else ''}>"


def _template(epoch: Epoch, prefix: str, offset_ms: int, timeline: Sequence[str], *, indent: int) -> Iterator[str]:
    attributes = {
        "timescale": "1000",
        "presentationTimeOffset": str(offset_ms),
        "initialization": f"{prefix}$RepresentationID$/{epoch.number}-init.mp4",
        "media": f"{prefix}$RepresentationID$/{epoch.number}-$Time$.m4s",
    }
    space = " " * indent
    yield f"{space}<SegmentTemplate {_attributes(attributes)}>"
    yield f"{space}  <SegmentTimeline>"
    yield from (f"{space}    {entry}" for entry in timeline)
    yield f"{space}  </SegmentTimeline>"
    yield f"{space}</SegmentTemplate>"


def _segment_timeline(epoch: Epoch, run: Sequence[Segment], track: Track) -> list[str]:
    """The `S` elements of a track: a segment lasts until the next one's name; a missing one leaves a hole."""
    entries: list[tuple[int, int]] = []
    for segment, following in zip(run, [*run[1:], None], strict=True):
        if stored_part(segment, track) is None:
            continue
        end = _end_ms(segment, epoch)
        if following is not None and abs(following.start_ms - end) <= _JOIN_TOLERANCE_MS:
            end = following.start_ms
        entries.append((segment.start_ms, max(1, end - segment.start_ms)))

    lines: list[str] = []
    expected: int | None = None
    index = 0
    while index < len(entries):
        start, duration = entries[index]
        repeats = 0
        while index + repeats + 1 < len(entries) and entries[index + repeats + 1] == (
            start + (repeats + 1) * duration,
            duration,
        ):
            repeats += 1
        at = "" if start == expected else f' t="{start}"'
        again = f' r="{repeats}"' if repeats else ""
        lines.append(f'<S{at} d="{duration}"{again}/>')
        expected = start + (repeats + 1) * duration
        index += repeats + 1
    return lines


def _end_ms(segment: Segment, epoch: Epoch) -> int:
    """When the segment ends: its name plus its exact duration, rounded."""
    reference = reference_part(segment, epoch)
    if reference is None:
        return segment.start_ms + round(SEGMENT_SECONDS * 1000)
    track, part = reference
    return segment.start_ms + (2000 * part.duration + track.timescale) // (2 * track.timescale)


def _frame_rate(measured: float) -> str:
    """DASH wants a ratio: the common rate that was meant, or the nearest thousandth."""
    nearest = min(_COMMON_RATES, key=lambda rate: abs(float(rate) - measured))
    rate = nearest if abs(float(nearest) - measured) < 0.01 else Fraction(round(measured * 1000), 1000)
    return str(rate)


def _duration(milliseconds: int) -> str:
    """xs:duration, in seconds alone, which every player reads."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"PT{seconds}S" if rest == 0 else f"PT{seconds}.{rest:03d}S"


def _utc(unix_ms: int) -> str:
    seconds, milliseconds = divmod(unix_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def _attributes(attributes: dict[str, str]) -> str:
    return " ".join(f"{name}={_quoted(value)}" for name, value in attributes.items())


def _quoted(text: str) -> str:
    return quoteattr(text)

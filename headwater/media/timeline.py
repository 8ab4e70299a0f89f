"""Stages 4–6 · what a broadcast's media is: epochs of aligned segments. Every playlist and manifest is a view of this.

An epoch is a run of media on one publisher clock with one init segment per track. Its segments have the same boundaries in
every track and are named by the publisher's time, so names say nothing about who wrote them. Epochs' numbers rise
from 1, and each holds at least one segment; between two epochs there is always a discontinuity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from headwater.domain.ids import BroadcastId, StreamId

SEGMENT_SECONDS = 2.0
TARGET_DURATION_SECONDS = 2  # never changes; the cutter keeps every segment below 2.5 s, which rounds to this
PART_SECONDS = 0.5
LIVE_WINDOW_SEGMENTS = 30


class TrackKind(StrEnum):
    VIDEO = "video"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class Track:
    """One rendition within an epoch. `track_id` is a rung's name (`720p`) or `audio`; `codec` is an RFC 6381 string."""

    track_id: str
    kind: TrackKind
    codec: str
    timescale: int  # units per second of every decode time and duration of this track
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    channels: int = 0
    sample_rate: int = 0
    declared_bits_per_second: int = 0  # what its encoder may reach; manifests announce it before that is measured


@dataclass(frozen=True, slots=True)
class Epoch:
    """`media_start_ms` (publisher's clock) was captured at `wall_start_ms` (Unix time): the two make PROGRAM-DATE-TIME.

    It begins with the segment `first_sequence`, `begins_ms` into the recording, where what was not on the air does not count.
    """

    number: int
    session_serial: int
    media_start_ms: int
    wall_start_ms: int
    tracks: tuple[Track, ...]
    first_sequence: int = 0
    begins_ms: int = 0

    def track(self, track_id: str) -> Track | None:
        return next((track for track in self.tracks if track.track_id == track_id), None)


@dataclass(frozen=True, slots=True)
class TrackSegment:
    """One track's share of a segment, in that track's timescale. `missing`: it could not be stored in time (EXT-X-GAP)."""

    decode_time: int
    duration: int
    bytes: int
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of all tracks. `sequence` counts from 0 over the whole broadcast (the HLS media sequence number)."""

    sequence: int
    epoch: int
    start_ms: int
    tracks: Mapping[str, TrackSegment]


@dataclass(frozen=True, slots=True)
class Timeline:
    """A broadcast's media so far, or a window of it: `segments` in order, `epochs` at least those that they belong to."""

    stream_id: StreamId
    broadcast_id: BroadcastId
    epochs: tuple[Epoch, ...] = ()
    segments: tuple[Segment, ...] = ()

    def epoch(self, number: int) -> Epoch:
        return next(epoch for epoch in self.epochs if epoch.number == number)

"""Stages 4–5 · makes segments part of the broadcast: stored in every track, then in the timeline, then in the playlists.

In that order, so that no playlist ever names what a viewer cannot fetch. One thread commits, strictly in sequence; uploads
run ahead of it. A segment that cannot be stored in time becomes a gap, and the broadcast goes on.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from ffmpeg_worker.epoch_run import EpochMedia
from ffmpeg_worker.ffmpeg_command import THUMBNAIL_SECONDS
from ffmpeg_worker.live_playlists import LivePlaylists
from ffmpeg_worker.packager import PackagedSegment
from ffmpeg_worker.tag_buffer import ResumePoint
from ffmpeg_worker.uploader import Authority, Upload, Uploader
from headwater.domain.lease import Fence
from headwater.errors import Conflict, DependencyUnavailable, LeaseLost
from headwater.media import object_keys
from headwater.media.timeline import (
    LIVE_WINDOW_SEGMENTS,
    SEGMENT_SECONDS,
    Epoch,
    Segment,
    Timeline,
    TrackKind,
    TrackSegment,
)
from headwater.observability import count, flush_metrics, logger, measure_ms

OVERTAKEN_SECONDS = 8.0  # a segment still missing when later ones are stored is given up after this
AWAY_SECONDS = 75.0  # and when nothing can be stored at all, after this: S3 is away, but comes back
PENDING_BYTES = 192 * 1024 * 1024  # whatever the times say, memory is bounded
SLOW_SHARE = 0.9  # of a segment's duration
REFRESH_ENTRANCES = frozenset({1, 2, 4, 8, 16})  # measured bitrates settle while the first segments come
SAME_CLOCK_MS = 100  # an epoch that begins so near to where the one before it ended goes on with it
_RETRY_SECONDS = 0.5


class TimelineStore(Protocol):
    def append(self, fence: Fence, segment: Segment, epoch: Epoch | None = None) -> None: ...


@dataclass(slots=True)
class _Pending:
    segment: Segment
    epoch: Epoch | None  # with an epoch's first segment
    uploads: dict[str, Upload]  # by track id
    inits: dict[str, Upload]
    duration_seconds: float
    arrived_at: float = field(default_factory=time.monotonic)

    @property
    def all_uploads(self) -> list[Upload]:
        return [*self.inits.values(), *self.uploads.values()]

    @property
    def is_stored(self) -> bool:
        return all(upload.stored for upload in self.all_uploads)


@dataclass(slots=True)
class _OpenEpoch:
    """What is published now. It becomes part of the timeline with its first segment, if it gets one."""

    number: int
    media: EpochMedia
    inits: dict[str, Upload]  # by track id
    epoch: Epoch | None = None


class TimelineWriter:
    """A `SegmentSink`. `on_segment` is told the publish session of every committed segment."""

    def __init__(
        self,
        timeline: Timeline,
        fence: Fence,
        timelines: TimelineStore,
        uploader: Uploader,
        playlists: LivePlaylists,
        authority: Authority,
        on_segment: Callable[[int], None],
    ) -> None:
        """`timeline` is what the broadcast has so far: its last segments, and every epoch."""
        self._timeline = timeline
        self._fence = fence
        self._timelines = timelines
        self._uploader = uploader
        self._playlists = playlists
        self._authority = authority
        self._on_segment = on_segment
        self._next_sequence = timeline.segments[-1].sequence + 1 if timeline.segments else 0
        self._next_epoch = timeline.epochs[-1].number + 1 if timeline.epochs else 1
        self._next_thumbnail = math.ceil(self._next_sequence * SEGMENT_SECONDS / THUMBNAIL_SECONDS)
        last = timeline.segments[-1] if timeline.segments else None
        self._latest = (timeline.epoch(last.epoch), last) if last else None
        self._open: _OpenEpoch | None = None
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._waiting: list[_Pending] = []
        self._waiting_lock = threading.Lock()
        self._committed_here = 0
        self._playlists_behind = False
        self._entrances_behind = True
        self._thread = threading.Thread(target=self._commit_all, name="timeline", daemon=True)
        self._thread.start()

    # --- the session's thread ---

    def begin_epoch(self, media: EpochMedia) -> None:
        """Store its initialisation segments now: when its first segment is whole, viewers wait for what is not stored.

        Its number is used up, even if there will be no segment of it. Of a name that anybody can guess, the first version
        would stay in caches.
        """
        stream, broadcast, number = self._timeline.stream_id, self._timeline.broadcast_id, self._next_epoch
        self._next_epoch += 1
        inits = {
            track.track_id: self._upload(
                object_keys.init_segment(stream, broadcast, track.track_id, number),
                media.inits[track.track_id],
                track.kind,
            )
            for track in media.tracks
        }
        self._open = _OpenEpoch(number, media, inits)

    def add_segment(self, packaged: PackagedSegment) -> None:
        opened = self._open
        assert opened is not None  # noqa: S101 - an epoch begins before its first segment comes
        first = opened.epoch is None
        epoch = opened.epoch = opened.epoch or self._epoch(opened, packaged.start_ms)
        stream, broadcast = self._timeline.stream_id, self._timeline.broadcast_id
        shares: dict[str, TrackSegment] = {}
        uploads: dict[str, Upload] = {}
        for track in epoch.tracks:
            share = packaged.tracks[track.track_id]
            if not share.data:
                start = packaged.start_ms * track.timescale // 1000
                shares[track.track_id] = TrackSegment(
                    start, packaged.duration_ms * track.timescale // 1000, 0, missing=True
                )
                continue
            shares[track.track_id] = TrackSegment(share.decode_time, share.duration, len(share.data))
            key = object_keys.media_segment(stream, broadcast, track.track_id, epoch.number, packaged.start_ms)
            uploads[track.track_id] = self._upload(key, share.data, track.kind)
        segment = Segment(self._next_sequence, epoch.number, packaged.start_ms, shares)
        self._next_sequence += 1
        self._latest = epoch, segment
        pending = _Pending(segment, epoch if first else None, uploads, opened.inits, packaged.duration_ms / 1000)
        with self._waiting_lock:
            self._waiting.append(pending)
        self._queue.put(pending)

    def resume_point(self, session_serial: int) -> ResumePoint | None:
        """How far the media of a publish session is here already; None when there is none, or another came after it."""
        if self._latest is None or self._latest[0].session_serial != session_serial:
            return None
        return resume_point_after(*self._latest)

    def add_thumbnail(self, image: bytes) -> None:
        stream, broadcast = self._timeline.stream_id, self._timeline.broadcast_id
        poster = object_keys.poster(stream, broadcast)
        self._uploader.start(
            Upload(poster, image, object_keys.JPEG_TYPE, object_keys.RECORDING_MANIFEST, replaces=True)
        )
        number = self._next_thumbnail
        if number * THUMBNAIL_SECONDS <= (self._next_sequence + 1) * SEGMENT_SECONDS:  # each new FFmpeg begins with one
            self._next_thumbnail += 1
            key = object_keys.thumbnail(stream, broadcast, number)
            self._uploader.start(Upload(key, image, object_keys.JPEG_TYPE, object_keys.IMMUTABLE, replaces=True))

    def close(self, seconds: float) -> bool:
        """Commit what was added, then stop; whether all of it could be within `seconds`."""
        self._queue.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _epoch(self, opened: _OpenEpoch, start_ms: int) -> Epoch:
        return Epoch(
            opened.number,
            opened.media.session_serial,
            start_ms,
            self._wall_start_ms(opened.media, start_ms),
            opened.media.tracks,
            first_sequence=self._next_sequence,
            begins_ms=self._recorded_ms(),
        )

    def _recorded_ms(self) -> int:
        """How long the recording is so far."""
        if self._latest is None:
            return 0
        before, until_ms = self._latest[0], _shown_until_ms(*self._latest)
        return before.begins_ms + round(until_ms) - before.media_start_ms

    def _wall_start_ms(self, media: EpochMedia, start_ms: int) -> int:
        """Dates never go back, though the publisher's clock may have run fast; media that go on have dates that go on."""
        received_at = start_ms + media.wall_offset_ms
        if self._latest is None:
            return received_at
        before, until_ms = self._latest[0], _shown_until_ms(*self._latest)
        ended_at = before.wall_start_ms + round(until_ms) - before.media_start_ms
        if before.session_serial == media.session_serial and abs(start_ms - until_ms) <= SAME_CLOCK_MS:
            return ended_at + start_ms - round(until_ms)
        return max(received_at, ended_at)

    def _upload(self, key: str, body: bytes, kind: TrackKind) -> Upload:
        content_type = object_keys.MP4_TYPE if kind is TrackKind.VIDEO else object_keys.AUDIO_MP4_TYPE
        return self._uploader.start(Upload(key, body, content_type, object_keys.IMMUTABLE))

    # --- the committing thread ---

    def _commit_all(self) -> None:
        try:
            self._playlists.look_around(self._timeline)
            while True:
                try:
                    pending = self._queue.get(timeout=_RETRY_SECONDS if self._playlists_behind else None)
                except queue.Empty:
                    self._write_playlists()
                    continue
                if pending is None:
                    return
                self._settle_uploads(pending)
                with self._waiting_lock:
                    self._waiting.remove(pending)
                self._commit(pending)
        except LeaseLost:
            self._authority.give_up("the timeline belongs to another worker")
        except Exception:
            logger().exception("the timeline cannot be written")
            self._authority.give_up("the timeline cannot be written")
        finally:
            flush_metrics()

    def _settle_uploads(self, pending: _Pending) -> None:
        """Wait until the segment is stored in every track, or not worth waiting for."""
        while not self._uploader.wait(pending.all_uploads, _RETRY_SECONDS):
            self._authority.check()
            age = time.monotonic() - pending.arrived_at
            if (
                (age > OVERTAKEN_SECONDS and self._is_overtaken(pending))
                or age > AWAY_SECONDS
                or self._uploader.pending_bytes > PENDING_BYTES
            ):
                self._uploader.abandon(list(pending.uploads.values()))  # the inits are needed by what comes after
                break
        self._authority.check()
        took = max((u.ended_at or 0.0 for u in pending.all_uploads), default=0.0) - pending.arrived_at
        if took > SLOW_SHARE * pending.duration_seconds:
            count("SlowUploads")
            logger().warning("slow upload", extra={"sequence": pending.segment.sequence, "seconds": round(took, 2)})

    def _is_overtaken(self, pending: _Pending) -> bool:
        with self._waiting_lock:
            return any(later.is_stored for later in self._waiting if later is not pending)

    def _commit(self, pending: _Pending) -> None:
        segment = replace(
            pending.segment,
            tracks={
                track_id: replace(share, missing=share.missing or not self._is_fetchable(pending, track_id))
                for track_id, share in pending.segment.tracks.items()
            },
        )
        lost = [track_id for track_id, share in segment.tracks.items() if share.missing]
        if lost:
            count("MissingSegments", len(lost))
            logger().warning("segment missing", extra={"sequence": segment.sequence, "tracks": lost})
        self._append(segment, pending.epoch)
        epochs = self._timeline.epochs + ((pending.epoch,) if pending.epoch else ())
        segments = (*self._timeline.segments, segment)[-LIVE_WINDOW_SEGMENTS:]
        self._timeline = replace(self._timeline, epochs=epochs, segments=segments)
        self._committed_here += 1
        if (
            pending.epoch is not None
            or self._committed_here in REFRESH_ENTRANCES
            or self._playlists.understates(self._timeline)
        ):
            self._entrances_behind = True
        self._write_playlists()
        self._measure_delay(pending)
        self._on_segment(self._timeline.epoch(segment.epoch).session_serial)
        flush_metrics()

    def _measure_delay(self, pending: _Pending) -> None:
        """From when the node received the end of a segment to when players can see it."""
        epoch, segment = self._timeline.epoch(pending.segment.epoch), pending.segment
        ended_at = epoch.wall_start_ms + segment.start_ms - epoch.media_start_ms + pending.duration_seconds * 1000
        measure_ms("SegmentDelay", time.time() * 1000 - ended_at)

    @staticmethod
    def _is_fetchable(pending: _Pending, track_id: str) -> bool:
        return track_id in pending.uploads and pending.uploads[track_id].stored and pending.inits[track_id].stored

    def _append(self, segment: Segment, epoch: Epoch | None) -> None:
        while True:
            self._authority.check()
            try:
                self._timelines.append(self._fence, segment, epoch)
            except DependencyUnavailable:
                time.sleep(_RETRY_SECONDS / 2)
            except Conflict as error:
                raise LeaseLost from error  # somebody else wrote this position: it cannot have been us
            else:
                return

    def _write_playlists(self) -> None:
        written = self._playlists.write_media(self._timeline)
        if written:
            written = self._playlists.write_entrances(self._timeline, multivariant=self._entrances_behind)
            self._entrances_behind = self._entrances_behind and not written
        self._playlists_behind = not written


def resume_point_after(epoch: Epoch, segment: Segment) -> ResumePoint:
    """Where whoever goes on after that segment begins."""
    shown_at = _shown_until_ms(epoch, segment)
    return ResumePoint(round(shown_at), _ends_ms(epoch, segment).get(TrackKind.AUDIO, shown_at))


def _ends_ms(epoch: Epoch, segment: Segment) -> dict[TrackKind, float]:
    """Where a segment's picture and sound end, on the publisher's clock."""
    ends: dict[TrackKind, float] = {}
    for track in epoch.tracks:
        share = segment.tracks[track.track_id]
        if track.kind is TrackKind.VIDEO:
            end = segment.start_ms + share.duration * 1000 / track.timescale
        else:
            end = (share.decode_time + share.duration) * 1000 / track.timescale
        ends.setdefault(track.kind, end)
    return ends


def _shown_until_ms(epoch: Epoch, segment: Segment) -> float:
    ends = _ends_ms(epoch, segment)
    return ends.get(TrackKind.VIDEO, ends.get(TrackKind.AUDIO, float(segment.start_ms)))

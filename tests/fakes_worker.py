"""Stores for tests of the worker's writing side: in memory, and as slow, broken or contested as a test wants."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ffmpeg_worker.epoch_run import EpochMedia
from ffmpeg_worker.packager import PackagedSegment, PackagedTrack
from headwater.domain.lease import Fence
from headwater.errors import DependencyUnavailable, LeaseLost, ObjectChanged
from headwater.media.timeline import Epoch, Segment, Track, TrackKind

WALL = 1_800_000_000_000  # Unix ms of the publisher's time 0
TRACKS = (
    Track("360p", TrackKind.VIDEO, "avc1.64001e", 90_000, width=640, height=360, frame_rate=30.0),
    Track("audio", TrackKind.AUDIO, "mp4a.40.2", 48_000, channels=2, sample_rate=48_000),
)


@dataclass
class MemoryVersion:
    body: bytes
    etag: str
    metadata: Mapping[str, str]
    expires_at: datetime | None = None


class MemoryStore:
    """A media store. `refuses(key)` says which writes fail at the moment; `log` has every write that did not."""

    def __init__(self) -> None:
        self.objects: dict[str, MemoryVersion] = {}
        self.log: list[str] = []
        self.refuses: Callable[[str], bool] = lambda key: False
        self.on_write: Callable[[str, bytes], None] = lambda key, body: None
        self._etags = itertools.count()
        self._lock = threading.Lock()

    def put(self, key: str, body: bytes, content_type: str, cache_control: str, *, deadline_seconds: float = 0) -> None:
        del content_type, cache_control, deadline_seconds
        self._store(key, body, {})

    def put_if_match(
        self,
        key: str,
        body: bytes,
        content_type: str,
        cache_control: str,
        etag: str | None,
        *,
        metadata: Mapping[str, str] | None = None,
        expires_at: datetime | None = None,
        deadline_seconds: float = 0,
    ) -> str:
        del content_type, cache_control, deadline_seconds
        current = self.objects.get(key)
        if (current.etag if current else None) != etag:
            raise ObjectChanged
        return self._store(key, body, metadata or {}, expires_at)

    def head(self, key: str, *, deadline_seconds: float = 0) -> MemoryVersion | None:
        del deadline_seconds
        return self.objects.get(key)

    def get(self, key: str, *, deadline_seconds: float = 0) -> bytes | None:
        del deadline_seconds
        found = self.objects.get(key)
        return found.body if found else None

    def _store(self, key: str, body: bytes, metadata: Mapping[str, str], expires_at: datetime | None = None) -> str:
        if self.refuses(key):
            raise DependencyUnavailable
        with self._lock:
            etag = str(next(self._etags))
            self.objects[key] = MemoryVersion(body, etag, dict(metadata), expires_at)
            self.log.append(key)
        self.on_write(key, body)
        return etag


@dataclass
class MemoryTimelines:
    """The timeline's rows; `log` is shared with a store to see what came first."""

    log: list[str]
    segments: list[Segment] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def append(self, fence: Fence, segment: Segment, epoch: Epoch | None = None) -> None:
        del fence
        if self.failures:
            raise self.failures.pop()
        self.segments.append(segment)
        if epoch:
            self.epochs.append(epoch)
        self.log.append(f"timeline:{segment.sequence}")


class Tenure:
    """A lease that is held until a test says otherwise."""

    may_write = True

    def check(self) -> None:
        if not self.may_write:
            raise LeaseLost

    confirm = check

    def give_up(self, reason: str) -> None:
        del reason
        self.may_write = False


def epoch_media(serial: int = 1, wall_offset_ms: int = WALL) -> EpochMedia:
    inits = {track.track_id: b"init" for track in TRACKS}
    return EpochMedia(serial, wall_offset_ms, TRACKS, inits)


def packaged(start_ms: int, duration_ms: int = 2000) -> PackagedSegment:
    shares = {
        track.track_id: PackagedTrack(
            b"media", start_ms * track.timescale // 1000, duration_ms * track.timescale // 1000
        )
        for track in TRACKS
    }
    return PackagedSegment(start_ms, duration_ms, shares)

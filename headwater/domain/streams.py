"""Stage 7 · what a stream is to those who look at it: its profile, its status, and who may see what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from headwater.domain.broadcast import Broadcast, BroadcastState, Declined, EndReason, RecordingState, StreamSettings
from headwater.domain.ids import BroadcastId, StreamId, UserId

SCHEDULE_GRACE = timedelta(hours=1)  # a broadcast that begins this near to a planned start is the planned one
SCHEDULE_LONGEST = timedelta(days=366)


class Privacy(StrEnum):
    PUBLIC = "public"
    UNLISTED = "unlisted"  # whoever has the address
    PRIVATE = "private"  # the owner, and who is on the list; for others the stream does not exist


class Latency(StrEnum):
    LOW = "low"
    STANDARD = "standard"


class StreamStatus(StrEnum):
    OFFLINE = "offline"
    PREVIEW = "preview"  # on the air for its owner only, until `start`
    LIVE = "live"
    INTERRUPTED = "interrupted"  # the encoder is away, inside the reconnect window


class BroadcastStatus(StrEnum):
    LIVE = "live"
    ENDED = "ended"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StreamProfile:
    """What the owner can set. `reconnect_window` is in seconds."""

    title: str
    description: str = ""
    category: str | None = None
    tags: tuple[str, ...] = ()
    privacy: Privacy = Privacy.PUBLIC
    record: bool = True
    latency: Latency = Latency.STANDARD
    reconnect_window: int = 60
    auto_start: bool = True
    mature: bool = False
    scheduled_start: datetime | None = None  # when the owner means to go live next

    @property
    def ingest_settings(self) -> StreamSettings:
        """The part of the profile that the hot state needs a copy of."""
        return StreamSettings(
            reconnect_window_seconds=self.reconnect_window,
            auto_start=self.auto_start,
            record=self.record,
            low_latency=self.latency is Latency.LOW,
            private=self.privacy is Privacy.PRIVATE,
        )


@dataclass(frozen=True, slots=True)
class Owner:
    user_id: UserId
    username: str
    avatar_url: str | None


@dataclass(frozen=True, slots=True)
class OnAir:
    """A broadcast as far as a stream's status depends on it."""

    broadcast_id: BroadcastId
    state: BroadcastState
    public: bool
    went_live_at: datetime | None

    def status(self, *, for_owner: bool) -> StreamStatus:
        """Live means that there are pictures: an encoder that only connected is still offline, also to its owner."""
        if self.went_live_at is None or self.state in (BroadcastState.STARTING, BroadcastState.ENDED):
            return StreamStatus.OFFLINE
        if not self.public:
            return StreamStatus.PREVIEW if for_owner else StreamStatus.OFFLINE
        return StreamStatus.INTERRUPTED if self.state is BroadcastState.INTERRUPTED else StreamStatus.LIVE


@dataclass(frozen=True, slots=True)
class Stream:
    stream_id: StreamId
    owner: Owner
    profile: StreamProfile
    created_at: datetime
    total_views: int
    on_air: OnAir | None  # the newest broadcast
    poster_of: BroadcastId | None  # the newest public broadcast that had pictures

    def planned_start(self, now: datetime) -> datetime | None:
        """The planned start for as long as it tells somebody something: it is ahead, or the owner is a little late."""
        start = self.profile.scheduled_start
        went_live = self.on_air.went_live_at if self.on_air is not None and self.on_air.public else None
        if start is None or now >= start + SCHEDULE_GRACE:
            return None
        return None if went_live is not None and went_live >= start - SCHEDULE_GRACE else start

    def is_owned_by(self, user_id: UserId | None) -> bool:
        return user_id is not None and self.owner.user_id == user_id


@dataclass(frozen=True, slots=True)
class Category:
    """One of the list that streams are found by. A stream may name another, which no list shows."""

    category_id: str
    name: str
    live_streams: int


@dataclass(frozen=True, slots=True)
class PastBroadcast:
    """A broadcast as history tells it, live or over."""

    broadcast_id: BroadcastId
    stream_id: StreamId
    title: str
    state: BroadcastState
    public: bool
    recording: RecordingState
    recorded: bool
    started_at: datetime
    live_at: datetime | None
    ended_at: datetime | None
    end_reason: EndReason | None
    end_detail: str | None
    duration_seconds: float | None
    renditions: tuple[str, ...]
    peak_viewers: int
    total_views: int
    withheld: bool = False

    @property
    def is_withheld(self) -> bool:
        """For its owner alone, whatever the stream is: a preview that was never taken public, or by the owner's wish."""
        return self.withheld or not self.public

    @property
    def keeps_media(self) -> bool:
        """Whether anything of it is, or soon will be, stored."""
        return self.live_at is not None and self.recording not in (RecordingState.FAILED, RecordingState.DISCARDED)

    @property
    def status(self) -> BroadcastStatus:
        if self.state is not BroadcastState.ENDED:
            return BroadcastStatus.LIVE
        if self.recording is RecordingState.READY and self.recorded:
            return BroadcastStatus.READY
        if self.live_at is None or (self.recording is RecordingState.FAILED and self.recorded):
            return BroadcastStatus.FAILED
        return BroadcastStatus.ENDED


_NOTICES = {
    EndReason.NO_MEDIA: "The encoder connected, but sent no picture or sound that could be played.",
    EndReason.DURATION_LIMIT: "The broadcast reached the longest time that one may last, and was ended.",
    EndReason.SOURCE_REFUSED: "The encoder's format cannot be played. Send H.264 video and AAC audio.",
    EndReason.SUSPENDED: "The account was suspended, and the broadcast with it.",
    EndReason.TRANSCODE_FAILED: "Transcoding failed several times, so the broadcast was ended.",
}


_SILENCE_MS = 8_000  # with sound or pictures there is a segment by now, unless its worker is slow to start
_NOTHING_YET = "The encoder is connected, but no picture or sound of it can be played yet."


@dataclass(frozen=True, slots=True)
class IngestHealth:
    """How the owner's encoder is doing. `since_ms` is Unix ms: when this encoder connected."""

    connected: bool
    since_ms: int | None
    receiving: bool  # pictures or sound of this connection were seen
    notice: str | None


def ingest_health(broadcast: Broadcast | None, now: int, declined: Declined | None = None) -> IngestHealth:
    """At `now` (Unix ms). `declined`: since `broadcast`, an encoder was turned away."""
    notice = None if declined is None else declined.detail
    if broadcast is None:
        return IngestHealth(connected=False, since_ms=None, receiving=False, notice=notice)
    session = broadcast.session
    reason = broadcast.end_reason
    if session is None and broadcast.state is BroadcastState.STARTING:
        reason = EndReason.NO_MEDIA  # it was dropped for its silence, long before the broadcast is given up
    said = broadcast.end_detail or (_NOTICES.get(reason) if reason else None)
    if session is not None and broadcast.live_at is None and now - session.claimed_at >= _SILENCE_MS:
        said = _NOTHING_YET
    return IngestHealth(
        connected=session is not None,
        since_ms=session.claimed_at if session else None,
        receiving=session is not None and broadcast.state is BroadcastState.LIVE,
        notice=notice or said,
    )

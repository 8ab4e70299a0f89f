"""Stages 2–4 · what a stream's broadcast is: the state that one DynamoDB item per stream holds.

All times are Unix milliseconds of the control plane's clock, except `SessionRef.opened_at`, which is the ingest node's
and is compared only with other times of the same node.

    offline → starting → live ⇄ interrupted → ended → (recording) ready | failed
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from headwater.domain.ids import BroadcastId, StreamId, UserId


class BroadcastState(StrEnum):
    STARTING = "starting"
    LIVE = "live"
    INTERRUPTED = "interrupted"
    ENDED = "ended"


class RecordingState(StrEnum):
    """What an ended broadcast has become; `PENDING` until the recording's manifests are written."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    DISCARDED = "discarded"  # none was wanted, and nothing of it is left


class EndReason(StrEnum):
    STOPPED = "stopped"
    WINDOW_ELAPSED = "window_elapsed"
    NO_MEDIA = "no_media"
    DURATION_LIMIT = "duration_limit"
    STREAM_DELETED = "stream_deleted"
    SOURCE_REFUSED = "source_refused"
    TRANSCODE_FAILED = "transcode_failed"
    SUSPENDED = "suspended"  # the owner's account


class BroadcastEventName(StrEnum):
    """What other stages are told. Every one carries a whole snapshot, so a receiver needs no history."""

    STARTED = "BroadcastStarted"
    LIVE = "BroadcastLive"
    INTERRUPTED = "BroadcastInterrupted"
    RESUMED = "BroadcastResumed"
    PUBLISHED = "BroadcastPublished"  # a preview was taken public
    ENDED = "BroadcastEnded"
    READY = "RecordingReady"
    FAILED = "RecordingFailed"
    DISCARDED = "RecordingDiscarded"


class StreamEventName(StrEnum):
    """What happened to a stream itself. Says where to look: the hot state is what counts."""

    AUDIENCE_CHANGED = "StreamAudienceChanged"  # who may watch what is perhaps not as it was
    RECORDING_DELETED = "RecordingDeleted"
    DELETED = "StreamDeleted"


@dataclass(frozen=True, slots=True)
class SessionRef:
    """One RTMP connection's publish: unique by node, the node's connection serial, and when the node saw it open."""

    node: str
    client_id: str
    opened_at: int  # ms, the node's clock


@dataclass(frozen=True, slots=True)
class PublishSession:
    """The publish session that holds the claim on the stream."""

    ref: SessionRef
    serial: int  # 1, 2, 3 … within the broadcast
    pull_url: str  # http:// URL of the renamed stream's buffer on its node; contains no key
    claimed_at: int
    last_seen_at: int
    heard_at: int = 0  # ms, the node's clock: when the newest update that counted was sent; an older one proves nothing
    unseen_until: int = 0  # until then its worker was awaited


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What the stream's owner configured and ingest and chat must know without asking the database."""

    reconnect_window_seconds: int = 60
    auto_start: bool = True
    record: bool = True
    low_latency: bool = False
    private: bool = False  # nobody but the owner and `StreamControl.viewers` may watch or enter the chat room


@dataclass(frozen=True, slots=True)
class Broadcast:
    broadcast_id: BroadcastId
    state: BroadcastState
    started_at: int
    sequence: int  # rises with every event told to others; receivers drop lower ones
    sessions: int  # publish sessions so far
    session: PublishSession | None
    public: bool
    silent_session: PublishSession | None = None  # lost the claim by silence alone: may take it again if it is free
    live_at: int | None = None  # first durable segment
    interrupted_at: int | None = None
    ended_at: int | None = None
    end_reason: EndReason | None = None
    end_detail: str | None = None  # shown to the owner
    encoder_dropped: bool = False  # an encoder was publishing when it ended, and is about to try again
    ends_by: int | None = None  # as long as the deployment lets it last
    recorded: bool | None = None  # as the stream's setting was when it ended; None while it counts
    recording: RecordingState = RecordingState.PENDING
    duration_seconds: float | None = None
    renditions: tuple[str, ...] = ()
    next_pulse_at: int = 0

    @property
    def is_active(self) -> bool:
        return self.state is not BroadcastState.ENDED

    @property
    def is_settled(self) -> bool:
        """Ended and with its recording decided: nothing more will happen to it."""
        return self.state is BroadcastState.ENDED and self.recording is not RecordingState.PENDING


@dataclass(frozen=True, slots=True)
class BroadcastNews:
    """One domain event: its name and the broadcast as it is from then on."""

    name: BroadcastEventName
    occurred_at: int
    broadcast: Broadcast


@dataclass(frozen=True, slots=True)
class StreamNews:
    """Something that happened to the stream itself; `broadcast_id` when it is about one of its recordings."""

    name: StreamEventName
    occurred_at: int
    broadcast_id: BroadcastId | None = None


@dataclass(frozen=True, slots=True)
class Pulse:
    """Ask the dispatcher to look at this broadcast after `delay_ms`. `due` tells the one live chain from stray copies."""

    broadcast_id: BroadcastId
    delay_ms: int
    due: int  # the broadcast's `next_pulse_at` when this pulse was armed


@dataclass(frozen=True, slots=True)
class Declined:
    """The last time that an encoder with the right key was turned away. `detail` is shown to the owner."""

    detail: str
    at: int


@dataclass(frozen=True, slots=True)
class StreamControl:
    """The hot state of one stream: what ingest may know and decide alone. `version` guards the conditional write.

    `previous` is the broadcast before the current one, kept until its recording is settled; there can be more than one
    when somebody stops and starts quickly.
    """

    stream_id: StreamId
    owner_id: UserId
    key_version: int = 1
    settings: StreamSettings = field(default_factory=StreamSettings)
    deleted: bool = False
    suspended: bool = False  # the owner's account: no key of theirs publishes
    moderators: tuple[UserId, ...] = ()  # of the chat room; a copy of what PostgreSQL knows, for chat to read
    vips: tuple[UserId, ...] = ()  # of the chat room; a copy, too
    viewers: tuple[UserId, ...] = ()  # who, beside the owner, may watch and chat while it is private; a copy, too
    withheld: tuple[BroadcastId, ...] = ()  # broadcasts that only the owner may watch, whatever the stream is
    removed: tuple[BroadcastId, ...] = ()  # the last recordings that were deleted: nobody gets what a cache still has
    broadcast: Broadcast | None = None
    previous: tuple[Broadcast, ...] = ()
    failures: int = 0  # the last broadcasts in a row that ended because they could not be transcoded
    worker_millicpu: int | None = None  # what its source took of a machine last; None while it never had a worker
    declined: Declined | None = None  # until a broadcast begins
    settled_sessions: tuple[SessionRef, ...] = ()  # over, or refused from now on; an update of one is kicked
    news: tuple[BroadcastNews, ...] = ()  # outbox: committed with the state, then sent at least once
    stream_news: tuple[StreamNews, ...] = ()  # outbox
    pulses: tuple[Pulse, ...] = ()  # outbox
    version: int = 0

    def find(self, broadcast_id: BroadcastId) -> Broadcast | None:
        candidates = (*self.previous, *((self.broadcast,) if self.broadcast else ()))
        return next((b for b in candidates if b.broadcast_id == broadcast_id), None)

    def records(self, broadcast: Broadcast) -> bool:
        """Whether a recording of it is wanted: a setting that changes after its end is about the next one."""
        return self.settings.record if broadcast.recorded is None else broadcast.recorded

    @property
    def needs_attention(self) -> bool:
        """Whether somebody must come back to this stream: something to watch, or something not yet sent."""
        return bool(self.unsettled or self.news or self.stream_news or self.pulses)

    @property
    def unsettled(self) -> tuple[Broadcast, ...]:
        """Broadcasts that still need attention: the active one, and ended ones without their recording."""
        current = (self.broadcast,) if self.broadcast and not self.broadcast.is_settled else ()
        return (*self.previous, *current)

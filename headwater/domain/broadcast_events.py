"""Stages 2–4 · everything that can happen to a stream's broadcast. May arrive late, twice, out of order or never.

Each event names exactly what it is about, so that it changes nothing once that is no longer current. `occurred_at` is the
ingest node's clock in Unix milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from headwater.domain.broadcast import EndReason, SessionRef, StreamSettings
from headwater.domain.ids import BroadcastId, UserId


@dataclass(frozen=True, slots=True)
class Publish:
    """An encoder with a valid key of `key_version` asks to publish. `candidate_id` names the broadcast if a new one begins."""

    ref: SessionRef
    key_version: int
    candidate_id: BroadcastId
    pull_url: str
    longest_ms: int = 48 * 3600 * 1000  # a broadcast that begins now ends by then


@dataclass(frozen=True, slots=True)
class Decline:
    """An encoder with a valid key was turned away; `detail` is for the owner, for nobody tells an encoder why."""

    detail: str


@dataclass(frozen=True, slots=True)
class Update:
    """The node's heartbeat of a publish session. `age_seconds` since the node opened it; None when the node does not say."""

    ref_node: str
    ref_client_id: str
    occurred_at: int
    key_version: int | None
    age_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The node says that a publish session is over."""

    ref_node: str
    ref_client_id: str
    occurred_at: int


@dataclass(frozen=True, slots=True)
class MediaSeen:
    """The first segment of publish session `session_serial` is durable.

    `millicpu`: what its ladder takes of a machine, by which the stream's next worker is sized; None when it is not known.
    """

    broadcast_id: BroadcastId
    session_serial: int
    millicpu: int | None = None


@dataclass(frozen=True, slots=True)
class SourceRefused:
    """The worker found that this source can never play, or that transcoding keeps failing."""

    broadcast_id: BroadcastId
    session_serial: int
    reason: EndReason
    detail: str


@dataclass(frozen=True, slots=True)
class Start:
    """The owner takes the preview public."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The owner, or a moderator of the site, ends the broadcast."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; look at every deadline of `broadcast_id`. `due` comes from the pulse, None from anybody else."""

    broadcast_id: BroadcastId
    due: int | None = None
    worker_awaited: bool = False  # its task was asked for, and has not come: nobody could have seen media


@dataclass(frozen=True, slots=True)
class Finalised:
    """The recording's manifests are written, or there was nothing to record (`duration_seconds` 0).

    `discarded`: there was, but no recording was wanted.
    """

    broadcast_id: BroadcastId
    duration_seconds: float
    renditions: tuple[str, ...] = ()
    discarded: bool = False


@dataclass(frozen=True, slots=True)
class Configure:
    settings: StreamSettings


@dataclass(frozen=True, slots=True)
class RotateKey:
    pass


@dataclass(frozen=True, slots=True)
class Suspend:
    """The owner's account is suspended: the broadcast ends, and no key publishes until `Unsuspend`."""


@dataclass(frozen=True, slots=True)
class Unsuspend:
    pass


@dataclass(frozen=True, slots=True)
class NameModerators:
    """Who moderates the stream's room from now on: all of them."""

    moderators: tuple[UserId, ...]


@dataclass(frozen=True, slots=True)
class NameVips:
    """Who is a VIP in the stream's room from now on: all of them."""

    vips: tuple[UserId, ...]


@dataclass(frozen=True, slots=True)
class NameViewers:
    """Who may watch the stream while it is private, beside its owner, from now on: all of them."""

    viewers: tuple[UserId, ...]


@dataclass(frozen=True, slots=True)
class Withhold:
    """A broadcast is for the owner alone from now on, or not any more (`withheld` False)."""

    broadcast_id: BroadcastId
    withheld: bool


@dataclass(frozen=True, slots=True)
class DeleteRecording:
    """The owner wants a broadcast that is over to be gone, with all that is stored of it."""

    broadcast_id: BroadcastId


@dataclass(frozen=True, slots=True)
class Delete:
    pass


Event = (
    Publish
    | Decline
    | Update
    | Done
    | MediaSeen
    | SourceRefused
    | Start
    | Stop
    | Tick
    | Finalised
    | Configure
    | RotateKey
    | Suspend
    | Unsuspend
    | NameModerators
    | NameVips
    | NameViewers
    | Withhold
    | DeleteRecording
    | Delete
)

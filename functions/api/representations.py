"""Stage 7 · what answers about streams, broadcasts, clips and chat carry, built from the domain. Grows by addition only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from functions.api.use_cases.going_live import IngestAccess
from headwater.domain.clips import Clip
from headwater.domain.ids import StreamId, UserId
from headwater.domain.ingest_fleet import IngestState
from headwater.domain.media_access import ENTRANCES, Audience
from headwater.domain.media_signature import SignedAccess
from headwater.domain.streams import (
    BroadcastStatus,
    PastBroadcast,
    Privacy,
    Stream,
    StreamStatus,
)
from headwater.media import object_keys

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    items: list[Item]
    next_cursor: str | None


class OwnerOut(BaseModel):
    id: str
    username: str
    avatar_url: str | None


class PlaybackOut(BaseModel):
    hls: str
    dash: str


class ChatOut(BaseModel):
    ws: str
    room: str


class StreamOut(BaseModel):
    id: str
    owner: OwnerOut
    title: str
    description: str
    category: str | None
    tags: list[str]
    privacy: Literal["public", "unlisted", "private"]
    mature: bool
    created_at: datetime
    is_live: bool
    status: Literal["offline", "preview", "live", "interrupted"]
    started_at: datetime | None
    scheduled_start: datetime | None
    viewer_count: int
    total_views: int
    thumbnail_url: str | None
    playback: PlaybackOut
    chat: ChatOut


class OwnStreamOut(StreamOut):
    """A stream as its owner sees it: with the settings of its ingest."""

    record: bool
    latency: Literal["low", "standard"]
    reconnect_window: int
    auto_start: bool


AnyStreamOut = OwnStreamOut | StreamOut


class HealthOfIngestOut(BaseModel):
    connected: bool
    receiving: bool
    since: datetime | None
    notice: str | None


class IngestOut(BaseModel):
    state: IngestState = Field(
        IngestState.OPEN,  # said of every answer, so that clients take the answers of before this field, too
        description="Where ingest runs on demand: `closed` until it is asked for, `starting`, then `open`. Else always `open`.",
    )
    rtmp_url: str | None = Field(description="The first of `servers`; null unless `open`.")
    stream_key: str
    servers: list[str]
    health: HealthOfIngestOut


class CategoryOut(BaseModel):
    id: str
    name: str
    live_streams: int


class BroadcastOut(BaseModel):
    id: str
    stream_id: str
    title: str
    status: Literal["live", "ended", "ready", "failed"]
    recorded: bool = Field(
        description="Whether a recording of it is wanted: the stream's `record`, as it was when it ended."
    )
    started_at: datetime
    ended_at: datetime | None
    duration: float | None
    playback: PlaybackOut | None
    thumbnail_url: str | None
    peak_viewers: int
    total_views: int
    renditions: list[str]
    privacy: Literal["public", "private"]
    notice: str | None = None


class SignedAccessOut(BaseModel):
    """Opens every URL below `cookie_path`, as cookies or as a query; both are the same signature."""

    cookies: dict[str, str]
    cookie_path: str
    query: str
    expires_at: datetime


class PlaybackSessionOut(BaseModel):
    session_id: str
    expires_at: datetime
    heartbeat_seconds: int
    playback: PlaybackOut
    access: SignedAccessOut | None


class MakerOut(BaseModel):
    id: str
    username: str


class ClipOut(BaseModel):
    id: str
    stream_id: str
    broadcast_id: str
    title: str
    start: float = Field(description="Seconds from the beginning of the recording.")
    duration: float
    created_at: datetime
    created_by: MakerOut | None = Field(description="Nobody, when the account is gone.")
    playback: PlaybackOut
    thumbnail_url: str | None


class HeartbeatOut(BaseModel):
    expires_at: datetime
    access: SignedAccessOut | None


class TicketOut(BaseModel):
    ticket: str
    expires_in: int


class ChatAuthorOut(BaseModel):
    id: str
    username: str
    role: str
    badges: list[str]


class EmoteRangeOut(BaseModel):
    """Where an emote stands in a message's text, in code points."""

    id: str
    name: str
    start: int
    end: int


class ChatMessageOut(BaseModel):
    type: Literal["message"] = "message"
    seq: int
    id: str
    user: ChatAuthorOut
    text: str
    emotes: list[EmoteRangeOut]
    reply_to: str | None
    created_at: datetime


class ReplayedMessageOut(ChatMessageOut):
    offset: float = Field(description="When it was said, in seconds from the beginning of the recording.")


class HealthOut(BaseModel):
    status: Literal["ok", "degraded"]
    checks: dict[str, Literal["ok", "failing"]]


class Representations:
    """Builds what needs the deployment's public addresses."""

    def __init__(self, cdn_url: str, ws_url: str) -> None:
        self._cdn_url = cdn_url.rstrip("/")
        self._ws_url = ws_url

    def stream(self, stream: Stream, viewer: UserId | None, viewer_count: int) -> AnyStreamOut:
        """The stream as `viewer` may see it: a preview looks offline to everybody but its owner."""
        owned = stream.is_owned_by(viewer)
        profile = stream.profile
        status = stream.on_air.status(for_owner=owned) if stream.on_air else StreamStatus.OFFLINE
        offline = status is StreamStatus.OFFLINE
        private = profile.privacy is Privacy.PRIVATE
        entrance = _entrance(owned=owned, private=private, withheld=status is StreamStatus.PREVIEW)
        seen = StreamOut(
            id=stream.stream_id,
            owner=OwnerOut(id=stream.owner.user_id, username=stream.owner.username, avatar_url=stream.owner.avatar_url),
            title=profile.title,
            description=profile.description,
            category=profile.category,
            tags=list(profile.tags),
            privacy=profile.privacy.value,
            mature=profile.mature,
            created_at=stream.created_at,
            is_live=status in (StreamStatus.LIVE, StreamStatus.INTERRUPTED),
            status=status.value,
            started_at=None if offline or stream.on_air is None else stream.on_air.went_live_at,
            scheduled_start=stream.planned_start(datetime.now(UTC)),
            viewer_count=0 if offline else viewer_count,
            total_views=stream.total_views,
            thumbnail_url=self._poster(stream, entrance),
            # Stable, so that they can be handed out before the show; they answer 404 while the stream is offline.
            playback=self.live_playback(stream.stream_id, entrance),
            chat=ChatOut(ws=self._ws_url, room=stream.stream_id),
        )
        if not owned:
            return seen
        return OwnStreamOut(
            **dict(seen),
            record=profile.record,
            latency=profile.latency.value,
            reconnect_window=profile.reconnect_window,
            auto_start=profile.auto_start,
        )

    def broadcast(self, broadcast: PastBroadcast, *, for_owner: bool, private: bool) -> BroadcastOut:
        """`private`: the broadcast's stream is."""
        stream_id, broadcast_id = broadcast.stream_id, broadcast.broadcast_id
        entrance = _entrance(owned=for_owner, private=private, withheld=broadcast.is_withheld)
        status = broadcast.status
        playback = None
        if status is BroadcastStatus.READY:
            playback = PlaybackOut(
                hls=self._url(object_keys.recording_hls(stream_id, broadcast_id), entrance),
                dash=self._url(object_keys.recording_dash(stream_id, broadcast_id), entrance),
            )
        elif status is BroadcastStatus.LIVE and broadcast.live_at is not None:
            playback = self.live_playback(stream_id, entrance)
        has_picture = broadcast.keeps_media and broadcast.renditions != (object_keys.AUDIO_TRACK,)
        return BroadcastOut(
            id=broadcast_id,
            stream_id=stream_id,
            title=broadcast.title,
            status=status.value,
            recorded=broadcast.recorded,
            started_at=broadcast.started_at,
            ended_at=broadcast.ended_at,
            duration=broadcast.duration_seconds,
            playback=playback,
            thumbnail_url=self._url(object_keys.poster(stream_id, broadcast_id), entrance) if has_picture else None,
            privacy="private" if broadcast.is_withheld else "public",
            peak_viewers=broadcast.peak_viewers,
            total_views=broadcast.total_views,
            renditions=list(broadcast.renditions),
            notice=broadcast.end_detail if for_owner else None,
        )

    def clip(self, clip: Clip, stream: Stream, viewer: UserId | None) -> ClipOut:
        private = stream.profile.privacy is Privacy.PRIVATE
        entrance = _entrance(owned=stream.is_owned_by(viewer), private=private, withheld=clip.withheld)

        def document(name: str) -> str:
            return self._url(object_keys.clip(clip.stream_id, clip.broadcast_id, clip.clip_id, name), entrance)

        thumbnail = None
        if clip.picture is not None:
            key = object_keys.thumbnail(clip.stream_id, clip.broadcast_id, clip.picture)
            thumbnail = self._url(key, entrance)
        maker = None
        if clip.maker_id is not None and clip.maker_name is not None:
            maker = MakerOut(id=clip.maker_id, username=clip.maker_name)
        return ClipOut(
            id=clip.clip_id,
            stream_id=clip.stream_id,
            broadcast_id=clip.broadcast_id,
            title=clip.title,
            start=clip.start_seconds,
            duration=clip.duration_seconds,
            created_at=clip.created_at,
            created_by=maker,
            playback=PlaybackOut(hls=document("index.m3u8"), dash=document("index.mpd")),
            thumbnail_url=thumbnail,
        )

    def live_playback(self, stream_id: StreamId, entrance: Audience) -> PlaybackOut:
        return PlaybackOut(
            hls=self._url(object_keys.live_hls(stream_id), entrance),
            dash=self._url(object_keys.live_dash(stream_id), entrance),
        )

    def _poster(self, stream: Stream, entrance: Audience) -> str | None:
        if stream.poster_of is None:
            return None
        return self._url(object_keys.poster(stream.stream_id, stream.poster_of), entrance)

    def _url(self, object_key: str, entrance: Audience) -> str:
        return f"{self._cdn_url}/{ENTRANCES[entrance]}{object_key}"


def _entrance(*, owned: bool, private: bool, withheld: bool) -> Audience:
    """The way to media for somebody who may watch them: the open one wherever that leads there."""
    if not (private or withheld):
        return Audience.EVERYONE
    return Audience.OWNER if owned else Audience.VIEWERS


def signed_access_out(access: SignedAccess | None) -> SignedAccessOut | None:
    if access is None:
        return None
    return SignedAccessOut(
        cookies=dict(access.cookies),
        cookie_path=access.path,
        query=access.query,
        expires_at=datetime.fromtimestamp(access.expires_at, UTC),
    )


def ingest_out(access: IngestAccess) -> IngestOut:
    health, servers = access.health, list(access.door.servers)
    since = None if health.since_ms is None else datetime.fromtimestamp(health.since_ms / 1000, UTC)
    return IngestOut(
        state=access.door.state,
        rtmp_url=servers[0] if servers else None,
        stream_key=access.stream_key,
        servers=servers,
        health=HealthOfIngestOut(
            connected=health.connected, receiving=health.receiving, since=since, notice=health.notice
        ),
    )

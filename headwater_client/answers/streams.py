"""Client · streams, where to publish, their broadcasts and clips."""

from __future__ import annotations

from typing import Literal

from headwater_client.answers.answer import Answer, Time


class Owner(Answer, frozen=True):
    id: str
    username: str
    avatar_url: str | None


class Playback(Answer, frozen=True):
    hls: str
    dash: str


class Chat(Answer, frozen=True):
    ws: str
    room: str


class Stream(Answer, frozen=True):
    id: str
    owner: Owner
    title: str
    description: str
    category: str | None
    tags: list[str]
    privacy: Literal["public", "unlisted", "private"]
    mature: bool
    created_at: Time
    is_live: bool
    status: Literal["offline", "preview", "live", "interrupted"]
    started_at: Time | None
    scheduled_start: Time | None
    viewer_count: int
    total_views: int
    thumbnail_url: str | None
    playback: Playback
    chat: Chat


class OwnStream(Stream, frozen=True):
    """A stream as its owner sees it. `reconnect_window` is in seconds."""

    record: bool
    latency: Literal["low", "standard"]
    reconnect_window: int
    auto_start: bool


class IngestHealth(Answer, frozen=True):
    connected: bool
    receiving: bool
    since: Time | None
    notice: str | None


class Ingest(Answer, frozen=True, kw_only=True):
    """Publish to `rtmp_url`, a slash, and `stream_key`. While `state` is not `open`, there is no address: ask with
    `streams.open_ingest`, and look again until it is."""

    state: Literal["open", "starting", "closed"] = "open"  # so it was before there was ingest on demand
    rtmp_url: str | None
    stream_key: str
    servers: list[str]
    health: IngestHealth


class Category(Answer, frozen=True):
    id: str
    name: str
    live_streams: int


class Broadcast(Answer, frozen=True, kw_only=True):
    """`duration` is in seconds; `playback` is there while it is live, and once the recording is ready."""

    id: str
    stream_id: str
    title: str
    status: Literal["live", "ended", "ready", "failed"]
    recorded: bool
    started_at: Time
    ended_at: Time | None
    duration: float | None
    playback: Playback | None
    thumbnail_url: str | None
    peak_viewers: int
    total_views: int
    renditions: list[str]
    privacy: Literal["public", "private"]
    notice: str | None = None


class Maker(Answer, frozen=True):
    id: str
    username: str


class Clip(Answer, frozen=True):
    """`start` and `duration` are in seconds, from the beginning of the recording."""

    id: str
    stream_id: str
    broadcast_id: str
    title: str
    start: float
    duration: float
    created_at: Time
    created_by: Maker | None
    playback: Playback
    thumbnail_url: str | None

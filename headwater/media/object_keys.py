"""Stage 5 · the name of every object and its cache header, built here and nowhere else.

Everything of a stream lies under one prefix, so that one signed cookie covers it. Ids only: no key, no title, no name
that a user chose ever becomes part of a path. A viewer's URL is the CDN's base plus `/` plus the object key.
"""

from __future__ import annotations

from headwater.domain.ids import BroadcastId, StreamId, UserId

AUDIO_TRACK = "audio"

IMMUTABLE = "public, max-age=31536000, immutable"
LIVE_ENTRANCE = "public, max-age=1"  # changes a few times in the first minute, then hardly ever
LIVE_MANIFEST = "public"  # changes with every segment: how long it holds says its `Expires`
RECORDING_MANIFEST = "public, max-age=60"
AVATAR = "public, max-age=86400, immutable"  # not for ever: an account that is deleted takes its face with it
EMOTE = AVATAR  # one that was removed is to be gone, too

HLS_TYPE = "application/vnd.apple.mpegurl"
DASH_TYPE = "application/dash+xml"
MP4_TYPE = "video/mp4"
AUDIO_MP4_TYPE = "audio/mp4"
JPEG_TYPE = "image/jpeg"
WEBP_TYPE = "image/webp"

BROADCAST_METADATA = "broadcast-id"  # object metadata of what many broadcasts share in turn (`live.m3u8`): whose it is


def live_hls(stream_id: StreamId) -> str:
    return f"{stream_id}/live.m3u8"


def live_dash(stream_id: StreamId) -> str:
    return f"{stream_id}/live.mpd"


def stream_prefix(stream_id: StreamId) -> str:
    return f"{stream_id}/"


def broadcast_prefix(stream_id: StreamId, broadcast_id: BroadcastId) -> str:
    return f"{stream_id}/{broadcast_id}/"


def recording_hls(stream_id: StreamId, broadcast_id: BroadcastId) -> str:
    return f"{stream_id}/{broadcast_id}/index.m3u8"


def recording_dash(stream_id: StreamId, broadcast_id: BroadcastId) -> str:
    return f"{stream_id}/{broadcast_id}/index.mpd"


def media_playlist(stream_id: StreamId, broadcast_id: BroadcastId, track: str) -> str:
    return f"{stream_id}/{broadcast_id}/{track}.m3u8"


def init_segment(stream_id: StreamId, broadcast_id: BroadcastId, track: str, epoch: int) -> str:
    return f"{stream_id}/{broadcast_id}/{track}/{epoch}-init.mp4"


def media_segment(stream_id: StreamId, broadcast_id: BroadcastId, track: str, epoch: int, start_ms: int) -> str:
    return f"{stream_id}/{broadcast_id}/{track}/{epoch}-{start_ms}.m4s"


def is_media(key: str) -> bool:
    """Whether `key` is that of a media segment or an init segment."""
    return key.endswith((".m4s", "-init.mp4"))


def thumbnail(stream_id: StreamId, broadcast_id: BroadcastId, number: int) -> str:
    """Thumbnails count from 0, one every ten seconds of media."""
    return f"{stream_id}/{broadcast_id}/thumbnails/{number}.jpg"


def clip(stream_id: StreamId, broadcast_id: BroadcastId, clip_id: str, name: str) -> str:
    """A document of a clip; with an empty `name`, the prefix of all of them."""
    return f"{stream_id}/{broadcast_id}/clips/{clip_id}/{name}"


def poster(stream_id: StreamId, broadcast_id: BroadcastId) -> str:
    return f"{stream_id}/{broadcast_id}/poster.jpg"


def avatar(user_id: UserId, upload_id: str, size: int) -> str:
    """A picture of `size` pixels each way. Every upload has names of its own, so that no cache shows an old one."""
    return f"{avatar_prefix(user_id)}{upload_id}/{size}.webp"


def avatar_prefix(user_id: UserId) -> str:
    return f"avatars/{user_id}/"


def avatar_upload(user_id: UserId, upload_id: str) -> str:
    """In the bucket of uploads, which no viewer reaches: what was sent, until it is made into an avatar."""
    return f"avatars/{user_id}/{upload_id}"


def emote(stream_id: StreamId, emote_id: str, size: int) -> str:
    """A picture of `size` pixels each way; open to everybody, of a private stream, too."""
    return f"{emote_prefix(stream_id)}{emote_id}/{size}.webp"


def emote_prefix(stream_id: StreamId, emote_id: str | None = None) -> str:
    """Of all emotes of a stream, or of one."""
    return f"emotes/{stream_id}/" if emote_id is None else f"emotes/{stream_id}/{emote_id}/"


def emote_upload(stream_id: StreamId, emote_id: str) -> str:
    """In the bucket of uploads, like `avatar_upload`."""
    return f"emotes/{stream_id}/{emote_id}"


def account_export(user_id: UserId, export_id: str) -> str:
    """In the bucket of uploads, too: it is its owner's alone, and expires."""
    return f"exports/{user_id}/{export_id}.json.gz"

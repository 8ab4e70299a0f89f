"""Stage 7 · playback sessions: one viewer watching one stream, named by an id that carries its stream and proves its origin.

Nothing is stored for a session but its place in the stream's presence, which may be lost; so the id itself says what it is
about, and a tag (HMAC-SHA256, first 80 bits) says that we made it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from headwater.domain.ids import ID_PATTERN, StreamId, new_id

HEARTBEAT_SECONDS = 10
PRESENCE_SECONDS = 30  # three heartbeats: one lost is not a viewer lost
_ID_LENGTH = 22
_TAG_BYTES = 10
_TAG_LENGTH = 16


def new_playback_session(secret: bytes, stream_id: StreamId, *, signed: bool = False) -> str:
    """`signed`: its heartbeats renew a signature."""
    body = f"{stream_id}{new_id()}"
    return body + _tag(secret, body, signed)


def stream_of_session(secret: bytes, session_id: str) -> StreamId | None:
    """The stream that `session_id` watches, or None for anything that we did not issue."""
    if not any(_is_ours(secret, session_id, signed) for signed in (False, True)):
        return None
    stream_id = session_id[:_ID_LENGTH]
    return StreamId(stream_id) if ID_PATTERN.fullmatch(stream_id) else None


def is_signed_session(secret: bytes, session_id: str) -> bool:
    """Whether it is one of ours, of media that take a signature."""
    return _is_ours(secret, session_id, signed=True)


def _is_ours(secret: bytes, session_id: str, signed: bool) -> bool:
    body, tag = session_id[: 2 * _ID_LENGTH], session_id[2 * _ID_LENGTH :]
    return len(tag) == _TAG_LENGTH and session_id.isascii() and hmac.compare_digest(tag, _tag(secret, body, signed))


def _tag(secret: bytes, body: str, signed: bool) -> str:
    kind = b"signed-playback-session" if signed else b"playback-session"
    digest = hmac.new(secret, kind + b"\x00" + body.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest[:_TAG_BYTES]).decode().lower()

"""Client · what opens playback, and keeps it open."""

from __future__ import annotations

from headwater_client.answers.answer import Answer, Time
from headwater_client.answers.streams import Playback


class SignedAccess(Answer, frozen=True):
    """Opens every URL below `cookie_path`: as cookies, or appended as a query."""

    cookies: dict[str, str]
    cookie_path: str
    query: str
    expires_at: Time


class PlaybackSession(Answer, frozen=True):
    session_id: str
    expires_at: Time
    heartbeat_seconds: int
    playback: Playback
    access: SignedAccess | None


class Heartbeat(Answer, frozen=True):
    expires_at: Time
    access: SignedAccess | None

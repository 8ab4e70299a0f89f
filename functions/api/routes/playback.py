"""Stage 7 · routes of watching: playback sessions and their heartbeats."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from functions.api.dependencies import MaybeUser, ServicesDep, StreamIdParam, Unit, user_id_of
from functions.api.representations import HeartbeatOut, PlaybackSessionOut
from functions.api.use_cases.watching import keep_watching, open_playback_session
from headwater.domain.playback_session import HEARTBEAT_SECONDS

router = APIRouter(tags=["playback"])


@router.post("/streams/{stream_id}/playback-session")
def open_session(stream_id: StreamIdParam, user: MaybeUser, services: ServicesDep, unit: Unit) -> PlaybackSessionOut:
    """Begin to watch. Send a heartbeat every `heartbeat_seconds`, or be counted as gone."""
    session = open_playback_session(
        unit.streams,
        services.presence,
        unit.broadcasts,
        services.stream_key_secret,
        stream_id,
        user_id_of(user),
    )
    return PlaybackSessionOut(
        session_id=session.session_id, expires_at=session.expires_at, heartbeat_seconds=HEARTBEAT_SECONDS
    )


@router.post("/playback-sessions/{session_id}/heartbeat")
def heartbeat(session_id: Annotated[str, Path(max_length=128)], services: ServicesDep) -> HeartbeatOut:
    """Still watching. Whoever holds the session's id may say so."""
    session = keep_watching(services.presence, services.unit_of_work, services.stream_key_secret, session_id)
    return HeartbeatOut(expires_at=session.expires_at)

"""Stage 7 · routes of watching: playback sessions and their heartbeats."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

from fastapi import APIRouter, Path

from functions.api.dependencies import ClientAddress, MaybeUser, ServicesDep, StreamIdParam, Unit, user_id_of
from functions.api.inline_routes import InlineRoute
from functions.api.representations import HeartbeatOut, PlaybackSessionOut, signed_access_out
from functions.api.use_cases.watching import keep_watching, open_playback_session
from headwater.domain.playback_session import HEARTBEAT_SECONDS

router = APIRouter(route_class=InlineRoute, tags=["playback"])


@router.post("/streams/{stream_id}/playback-session")
def open_session(
    stream_id: StreamIdParam, user: MaybeUser, address: ClientAddress, services: ServicesDep, unit: Unit
) -> PlaybackSessionOut:
    """Begin to watch: play what `playback` says. Send a heartbeat every `heartbeat_seconds`, or be counted as gone.

    `access` is there when the media take a signature: send its `cookies` below its `cookie_path`, or its `query` with every
    URL below it. A heartbeat renews it, well before `expires_at`.
    """
    allowed = services.settings.playback_sessions_per_minute
    services.limits.spend("playback-session-address", address, allowed)
    if user is not None:
        services.limits.spend("playback-session-user", user.user_id, allowed)
    viewer = user_id_of(user)
    session = open_playback_session(
        unit,
        services.presence,
        services.room_audience,
        services.media_signer,
        services.stream_key_secret,
        stream_id,
        viewer,
    )
    return PlaybackSessionOut(
        session_id=session.session_id,
        expires_at=session.expires_at,
        heartbeat_seconds=HEARTBEAT_SECONDS,
        playback=services.representations.live_playback(stream_id, session.entrance),
        access=signed_access_out(session.access),
    )


@router.post("/playback-sessions/{session_id}/heartbeat")
def heartbeat(
    session_id: Annotated[str, Path(max_length=128)], user: MaybeUser, services: ServicesDep, unit: Unit
) -> HeartbeatOut:
    """Still watching. Whoever holds the session's id may say so; `access` is renewed only for who is signed in."""
    session = keep_watching(
        services.presence,
        services.room_audience,
        # Who is signed in has the process's one connection already; who is not shall not fail with its commit.
        services.unit_of_work if user is None else lambda: nullcontext(unit),
        services.media_signer,
        services.stream_key_secret,
        session_id,
        user_id_of(user),
    )
    return HeartbeatOut(expires_at=session.expires_at, access=signed_access_out(session.access))

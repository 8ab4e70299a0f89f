"""What a stream and its broadcasts are to those who look at them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.broadcast import (
    Broadcast,
    BroadcastState,
    EndReason,
    PublishSession,
    RecordingState,
    SessionRef,
)
from headwater.domain.ids import BroadcastId, StreamId, new_id
from headwater.domain.playback_session import new_playback_session, stream_of_session
from headwater.domain.streams import BroadcastStatus, OnAir, PastBroadcast, StreamStatus, ingest_health

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
STARTING, LIVE, INTERRUPTED, ENDED = BroadcastState


@pytest.mark.parametrize(
    ("state", "public", "pictures", "for_owner", "for_others"),
    [
        (STARTING, True, False, "offline", "offline"),
        (LIVE, True, True, "live", "live"),
        (LIVE, False, True, "preview", "offline"),
        (INTERRUPTED, True, True, "interrupted", "interrupted"),
        (INTERRUPTED, False, True, "preview", "offline"),
        (ENDED, True, True, "offline", "offline"),
        (ENDED, False, True, "offline", "offline"),
    ],
)
def test_a_status_depends_on_who_asks(
    state: BroadcastState, public: bool, pictures: bool, for_owner: str, for_others: str
) -> None:
    on_air = OnAir(BroadcastId("b"), state, public, NOW if pictures else None)
    assert on_air.status(for_owner=True) is StreamStatus(for_owner)
    assert on_air.status(for_owner=False) is StreamStatus(for_others)


def past(**fields: Any) -> PastBroadcast:
    defaults: dict[str, Any] = {
        "broadcast_id": BroadcastId("b"), "stream_id": StreamId("s"), "title": "t", "state": ENDED, "public": True,
        "recording": RecordingState.PENDING, "recorded": True, "started_at": NOW, "live_at": NOW, "ended_at": NOW,
        "end_reason": EndReason.STOPPED, "end_detail": None, "duration_seconds": None, "renditions": (),
        "peak_viewers": 0, "total_views": 0,
    }  # fmt: skip
    return PastBroadcast(**{**defaults, **fields})


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"state": LIVE}, "live"),
        ({"state": INTERRUPTED}, "live"),
        ({}, "ended"),
        ({"recording": RecordingState.READY}, "ready"),
        ({"recording": RecordingState.FAILED}, "failed"),
        ({"live_at": None}, "failed"),
        ({"recorded": False, "recording": RecordingState.READY}, "ended"),
        ({"recorded": False, "recording": RecordingState.FAILED}, "ended"),
    ],
)
def test_a_broadcast_becomes_what_its_recording_became(fields: dict[str, Any], status: str) -> None:
    assert past(**fields).status is BroadcastStatus(status)


@pytest.mark.parametrize("reason", list(EndReason))
def test_an_end_that_the_owner_should_know_of_has_words(reason: EndReason) -> None:
    ended = Broadcast(BroadcastId("b"), ENDED, 0, 1, 1, None, public=True, ended_at=1, end_reason=reason)
    usual = {EndReason.STOPPED, EndReason.WINDOW_ELAPSED, EndReason.STREAM_DELETED}
    assert (ingest_health(ended, 1).notice is None) == (reason in usual)


def test_an_encoder_that_was_dropped_for_its_silence_is_told_so_before_its_broadcast_is_given_up() -> None:
    starting = Broadcast(BroadcastId("b"), BroadcastState.STARTING, 0, 1, 1, None, public=True, interrupted_at=6_000)
    assert "no picture or sound" in (ingest_health(starting, 6_000).notice or "")
    assert ingest_health(replace(starting, state=INTERRUPTED, live_at=1), 6_000).notice is None


def test_an_encoder_that_is_connected_and_sends_nothing_is_told_so_within_seconds() -> None:
    session = PublishSession(SessionRef("node", "3", 0), 1, "http://n/sources/x", claimed_at=0, last_seen_at=0)
    starting = Broadcast(BroadcastId("b"), BroadcastState.STARTING, 0, 1, 1, session, public=True)
    assert ingest_health(starting, 4_000).notice is None, "as ever"
    assert "connected" in (ingest_health(starting, 9_000).notice or "")
    assert ingest_health(replace(starting, state=BroadcastState.LIVE, live_at=3_000), 9_000).notice is None


@given(st.binary(min_size=1, max_size=64), st.text(max_size=80))
def test_only_sessions_of_our_own_are_recognised(secret: bytes, text: str) -> None:
    stream_id = StreamId(new_id())
    session = new_playback_session(secret, stream_id)
    assert stream_of_session(secret, session) == stream_id
    assert stream_of_session(secret, text) is None
    assert stream_of_session(secret, session + text[:1] if text else session[1:]) is None
    assert stream_of_session(secret + b"x", session) is None

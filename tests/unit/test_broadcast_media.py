"""What a source makes of its broadcast: media that come, stay away, or can never play. Each test is one fact."""

from __future__ import annotations

import pytest

from headwater.domain.broadcast import (
    BroadcastState,
    EndReason,
)
from headwater.domain.broadcast_ending import MEDIA_LIMIT_MS, WORKER_LIMIT_MS
from headwater.domain.broadcast_events import (
    Publish,
    SourceRefused,
    Stop,
    Tick,
)
from headwater.domain.decision import Outcome
from headwater.domain.publish_pauses import FAILED_AT_ONCE_MS, REFUSED_PAUSE_MS
from tests.broadcast_story import ENCODER, OTHER, Story, live, with_window
from tests.factories import NOW, done, publish, session_ref, update


def test_a_connection_without_media_ends_in_time_to_be_dropped_within_thirty_seconds() -> None:
    story = Story()
    story.at(0, publish(ENCODER))
    story.at(MEDIA_LIMIT_MS - 1, update(ENCODER, NOW + MEDIA_LIMIT_MS - 1))
    story.tick(MEDIA_LIMIT_MS)
    assert story.broadcast.end_reason is EndReason.NO_MEDIA
    assert story.at(MEDIA_LIMIT_MS + 1, update(ENCODER, NOW + MEDIA_LIMIT_MS + 1)) is Outcome.KICK


def test_nobody_waits_for_a_worker_without_end() -> None:
    story = Story()
    story.at(0, publish(ENCODER))
    for after_ms in range(2_000, WORKER_LIMIT_MS + MEDIA_LIMIT_MS + 2_000, 2_000):
        assert story.broadcast.is_active
        story.at(after_ms, update(ENCODER, NOW + after_ms))
        story.at(after_ms, Tick(story.broadcast.broadcast_id, worker_awaited=True))
    assert story.broadcast.end_reason is EndReason.NO_MEDIA


def test_a_publisher_that_leaves_before_any_media_leaves_a_broadcast_that_ends_for_want_of_it() -> None:
    story = Story()
    story.at(0, publish(ENCODER))
    story.at(1_000, done(ENCODER, NOW + 1_000))
    story.tick(1_000 + MEDIA_LIMIT_MS)
    assert story.broadcast.end_reason is EndReason.NO_MEDIA


def test_one_that_comes_back_silent_is_let_go_but_the_broadcast_lives_until_its_window_ends() -> None:
    story = live(with_window(300))
    story.at(5_000, done(ENCODER, NOW + 5_000))
    story.at(10_000, publish(OTHER))
    story.at(39_999, update(OTHER, NOW + 39_999))
    story.tick(40_000)
    assert story.state() is BroadcastState.INTERRUPTED
    assert story.at(40_001, update(OTHER, NOW + 40_001)) is Outcome.KICK


def test_media_of_a_short_session_that_is_stored_after_its_end_still_counts_as_a_broadcast() -> None:
    story = Story()
    story.at(0, publish(ENCODER))
    story.at(1_500, done(ENCODER, NOW + 1_500))
    assert story.media(3_000) is Outcome.ACCEPTED
    assert story.state() is BroadcastState.INTERRUPTED
    assert story.broadcast.live_at == NOW + 3_000
    story.tick(1_500 + 60_000)
    assert story.broadcast.end_reason is EndReason.WINDOW_ELAPSED


def test_media_of_an_earlier_session_does_not_make_the_present_one_live() -> None:
    story = live()
    story.at(5_000, done(ENCODER, NOW + 5_000))
    story.at(6_000, publish(OTHER))
    assert story.media(6_500, serial=1) is Outcome.IGNORED
    assert story.state() is BroadcastState.INTERRUPTED


def test_media_of_an_ended_broadcast_changes_nothing() -> None:
    story = live()
    story.at(5_000, Stop())
    before = story.control
    assert story.media(6_000) is Outcome.IGNORED
    assert story.control == before


def test_a_source_that_can_never_play_ends_its_broadcast_with_a_reason_for_the_owner() -> None:
    story = Story()
    story.at(0, publish(ENCODER))
    story.at(5_000, SourceRefused(story.broadcast.broadcast_id, 1, EndReason.SOURCE_REFUSED, "HEVC is not supported."))
    assert story.broadcast.end_reason is EndReason.SOURCE_REFUSED
    assert story.broadcast.end_detail == "HEVC is not supported."
    assert story.at(6_000, update(ENCODER, NOW + 6_000)) is Outcome.KICK


def test_an_encoder_that_comes_back_at_once_after_its_source_was_refused_makes_no_new_broadcast() -> None:
    story = Story()
    story.at(0, publish(ENCODER))
    story.at(5_000, SourceRefused(story.broadcast.broadcast_id, 1, EndReason.SOURCE_REFUSED, "HEVC is not supported."))
    before = story.control
    assert story.at(5_000 + REFUSED_PAUSE_MS - 1, publish(OTHER)) is Outcome.REFUSED
    assert story.control == before, "the notice stays"
    assert story.at(5_000 + REFUSED_PAUSE_MS, publish(OTHER)) is Outcome.ACCEPTED
    assert story.state() is BroadcastState.STARTING


def _again(after_ms: int) -> Publish:
    """The encoder, once more, in a connection of its own."""
    return publish(session_ref("2", NOW + after_ms))


def _crash(story: Story, after_ms: int) -> None:
    story.at(after_ms, SourceRefused(story.broadcast.broadcast_id, 1, EndReason.TRANSCODE_FAILED, "It crashes."))


def test_while_transcoding_fails_again_and_again_the_pauses_between_attempts_grow() -> None:
    story, now, pauses = Story(), 0, []
    for _ in range(8):
        failed_at = now
        while story.at(now, _again(now)) is Outcome.REFUSED:
            now += 5_000
        pauses.append(now - failed_at)
        now += 20_000
        _crash(story, now)
    assert pauses == [0, 15_000, 30_000, 60_000, 120_000, 240_000, 300_000, 300_000]


def test_a_broadcast_that_worked_for_long_or_ended_otherwise_ends_a_row_of_failures() -> None:
    story = Story()
    story.at(0, _again(0))
    _crash(story, 20_000)
    story.at(35_000, _again(35_000))
    _crash(story, 40_000)
    assert story.control.failures == 2
    story.at(70_000, _again(70_000))
    _crash(story, 70_000 + FAILED_AT_ONCE_MS)
    assert story.control.failures == 1
    story.at(100_000 + FAILED_AT_ONCE_MS, _again(100_000 + FAILED_AT_ONCE_MS))
    story.at(110_000 + FAILED_AT_ONCE_MS, Stop())
    assert story.at(120_000 + FAILED_AT_ONCE_MS, _again(120_000 + FAILED_AT_ONCE_MS)) is Outcome.ACCEPTED
    assert story.control.failures == 0


@pytest.mark.parametrize("gone_again", [False, True])
def test_a_refusal_of_an_earlier_session_does_not_end_the_broadcast(gone_again: bool) -> None:
    story = live()
    story.at(5_000, done(ENCODER, NOW + 5_000))
    story.at(6_000, publish(OTHER))
    if gone_again:
        story.at(7_000, done(OTHER, NOW + 7_000))
    refusal = SourceRefused(story.broadcast.broadcast_id, 1, EndReason.SOURCE_REFUSED, "")
    assert story.at(8_000, refusal) is Outcome.IGNORED

"""What a stream's owner, or time, does to its broadcast. Each test is one fact."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headwater.domain.broadcast import (
    BroadcastEventName,
    Declined,
    EndReason,
    StreamSettings,
)
from headwater.domain.broadcast_events import (
    Configure,
    Decline,
    Delete,
    Event,
    NameModerators,
    RotateKey,
    Start,
    Stop,
    Suspend,
    Unsuspend,
)
from headwater.domain.decision import Outcome
from headwater.domain.ids import UserId
from headwater.domain.publish_pauses import STOPPED_PAUSE_MS
from headwater.domain.publish_rules import DURATION_LIMIT_MS
from tests.broadcast_story import ENCODER, OTHER, Story, live
from tests.factories import NOW, done, publish, session_ref, stream_control, update


def test_a_preview_becomes_public_with_start_and_only_once() -> None:
    story = live(stream_control(settings=StreamSettings(auto_start=False)))
    assert not story.broadcast.public
    assert story.at(5_000, Start()) is Outcome.ACCEPTED
    assert story.broadcast.public
    assert story.at(5_001, Start()) is Outcome.ACCEPTED
    assert story.told.count(BroadcastEventName.PUBLISHED) == 1


@pytest.mark.parametrize("event", [Start(), Stop()])
def test_nothing_can_be_started_or_stopped_while_offline(event: Event) -> None:
    assert Story().at(0, event) is Outcome.NOT_LIVE


def test_stop_ends_the_broadcast_drops_the_encoder_and_the_same_key_may_publish_again() -> None:
    story = live()
    first = story.broadcast.broadcast_id
    assert story.at(5_000, Stop()) is Outcome.ACCEPTED
    assert story.broadcast.end_reason is EndReason.STOPPED
    assert story.at(6_000, update(ENCODER, NOW + 6_000)) is Outcome.KICK
    assert story.at(5_000 + STOPPED_PAUSE_MS, publish(OTHER)) is Outcome.ACCEPTED
    assert story.broadcast.broadcast_id != first
    assert story.control.find(first) is not None, "until its recording is settled"


def test_an_encoder_that_was_stopped_and_comes_back_by_itself_is_refused_for_a_moment() -> None:
    story = live()
    story.at(5_000, Stop())
    stopped = story.control
    assert story.at(7_000, publish(session_ref("2", NOW + 7_000))) is Outcome.REFUSED
    assert story.at(5_000 + STOPPED_PAUSE_MS - 1, publish(session_ref("3", NOW + 9_000))) is Outcome.REFUSED
    assert story.control == stopped


def test_after_a_stop_with_the_encoder_away_it_may_publish_at_once() -> None:
    story = live()
    story.at(5_000, done(ENCODER, NOW + 5_000))
    story.at(6_000, Stop())
    assert story.at(6_001, publish(OTHER)) is Outcome.ACCEPTED


def test_the_owner_can_read_why_an_encoder_was_turned_away_until_a_broadcast_begins() -> None:
    story = Story()
    assert story.at(0, Decline("Too many.")) is Outcome.REFUSED
    noted = story.control
    assert noted.declined == Declined("Too many.", NOW)
    assert story.at(1_000, Decline("Too many.")) is Outcome.REFUSED
    assert story.control == noted, "an encoder that tries again and again costs no write each time"
    story.at(2_000, publish(ENCODER))
    assert story.control.declined is None


def test_a_rotated_key_drops_the_encoder_and_the_new_key_continues_the_broadcast() -> None:
    story = live()
    story.at(2_000, RotateKey())
    assert story.at(3_000, update(ENCODER, NOW + 3_000, key_version=1)) is Outcome.KICK
    assert story.at(4_000, publish(OTHER, key_version=1)) is Outcome.REFUSED
    assert story.at(5_000, publish(OTHER, key_version=2)) is Outcome.ACCEPTED
    assert story.broadcast.sessions == 2


def test_a_deleted_stream_ends_drops_and_refuses() -> None:
    story = live()
    assert story.at(2_000, Delete()) is Outcome.ACCEPTED
    assert story.broadcast.end_reason is EndReason.STREAM_DELETED
    assert story.at(3_000, update(ENCODER, NOW + 3_000)) is Outcome.KICK
    assert story.at(4_000, publish(OTHER)) is Outcome.REFUSED


def test_a_suspended_owner_is_off_the_air_at_once_and_cannot_publish_until_it_is_lifted() -> None:
    story = live()
    assert story.at(2_000, Suspend()) is Outcome.ACCEPTED
    assert story.broadcast.end_reason is EndReason.SUSPENDED
    assert story.at(3_000, update(ENCODER, NOW + 3_000)) is Outcome.KICK
    assert story.at(4_000, publish(OTHER)) is Outcome.REFUSED
    assert story.at(5_000, Unsuspend()) is Outcome.ACCEPTED
    assert story.at(6_000, publish(OTHER)) is Outcome.ACCEPTED


def test_who_moderates_is_kept_for_chat_to_read_and_changes_nothing_on_the_air() -> None:
    story = live()
    named = (UserId("m1"), UserId("m2"))
    assert story.at(2_000, NameModerators(named)) is Outcome.ACCEPTED
    assert story.control.moderators == named
    assert story.broadcast.is_active


def test_a_changed_window_counts_at_once() -> None:
    story = live()
    story.at(5_000, done(ENCODER, NOW + 5_000))
    story.at(6_000, Configure(StreamSettings(reconnect_window_seconds=2)))
    story.tick(7_000)
    assert not story.broadcast.is_active


def test_a_broadcast_lasts_as_long_as_the_deployment_let_it_when_it_began() -> None:
    story = Story()
    story.at(0, replace(publish(ENCODER), longest_ms=60_000))
    story.tick(29_999)
    story.media(29_999)
    for at in (36_000, 42_000, 48_000, 54_000, 59_999):
        story.at(at, update(ENCODER, NOW + at))
    story.tick(59_999)
    assert story.broadcast.is_active
    story.tick(60_000)
    assert story.broadcast.end_reason is EndReason.DURATION_LIMIT


def test_a_broadcast_has_a_longest_duration() -> None:
    story = live()
    story.at(DURATION_LIMIT_MS - 1, update(ENCODER, NOW + DURATION_LIMIT_MS - 1))
    story.tick(DURATION_LIMIT_MS)
    assert story.broadcast.end_reason is EndReason.DURATION_LIMIT

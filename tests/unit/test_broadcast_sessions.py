"""Whose stream it is: publish sessions that come, go, fall silent and come back. Each test is one fact."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headwater.domain.broadcast import (
    BroadcastEventName,
    BroadcastState,
    EndReason,
)
from headwater.domain.broadcast_events import (
    Finalised,
    Stop,
)
from headwater.domain.decision import Outcome
from headwater.domain.publish_rules import IDLE_LIMIT_MS, UNFINISHED_LIMIT
from tests.broadcast_story import ENCODER, OTHER, Story, live, with_window
from tests.factories import NOW, done, publish, session_ref, update


def test_a_publish_starts_a_broadcast_under_the_proposed_id_and_asks_for_a_look_at_once() -> None:
    story = Story()
    event = publish(ENCODER)
    assert story.at(0, event) is Outcome.ACCEPTED
    assert story.broadcast.broadcast_id == event.candidate_id
    assert story.state() is BroadcastState.STARTING
    assert story.told == [BroadcastEventName.STARTED]
    assert [pulse.delay_ms for pulse in story.control.pulses] == [0]


def test_a_broadcast_is_live_only_once_media_was_seen() -> None:
    story = Story()
    story.at(0, publish(ENCODER))
    story.at(2_000, update(ENCODER, NOW + 2_000))
    assert story.state() is BroadcastState.STARTING
    assert story.media(3_000) is Outcome.ACCEPTED
    assert story.state() is BroadcastState.LIVE
    assert story.told[-1] is BroadcastEventName.LIVE


def test_a_publish_hook_delivered_twice_changes_nothing_the_second_time() -> None:
    story = live()
    before = story.control
    assert story.at(1_500, publish(ENCODER)) is Outcome.ACCEPTED
    assert story.control == before


@pytest.mark.parametrize("key_version", [0, 2])
def test_a_publish_with_a_key_of_another_version_is_refused_and_changes_nothing(key_version: int) -> None:
    story = Story()
    before = story.control
    assert story.at(0, publish(key_version=key_version)) is Outcome.REFUSED
    assert story.control == before


def test_a_second_publisher_and_its_done_and_its_updates_leave_the_first_one_untouched() -> None:
    story = live()
    before = story.control
    assert story.at(2_000, publish(OTHER)) is Outcome.BUSY
    assert story.at(2_001, done(OTHER, NOW + 2_001)) is Outcome.IGNORED
    assert story.at(2_002, update(OTHER, NOW + 2_002)) is Outcome.IGNORED
    assert story.control == before


def test_a_second_publisher_takes_over_once_the_first_is_silent_for_longer_than_the_idle_limit() -> None:
    story = live()
    assert story.at(IDLE_LIMIT_MS, publish(OTHER)) is Outcome.BUSY
    assert story.at(IDLE_LIMIT_MS + 1, publish(OTHER)) is Outcome.ACCEPTED
    assert story.broadcast.session is not None
    assert story.broadcast.session.ref == OTHER
    assert story.broadcast.session.serial == 2
    assert story.at(IDLE_LIMIT_MS + 9, update(ENCODER, NOW + IDLE_LIMIT_MS + 9)) is Outcome.KICK


def test_a_connection_that_publishes_anew_without_a_done_begins_a_new_session() -> None:
    story = live()
    again = replace(ENCODER, opened_at=NOW + 5_000)
    assert story.at(5_000, publish(again)) is Outcome.ACCEPTED
    assert story.broadcast.sessions == 2
    assert story.at(5_001, done(ENCODER, NOW + 4_000)) is Outcome.IGNORED, "of the former publish"
    assert story.broadcast.session is not None


def test_a_publish_hook_that_arrives_after_its_session_is_over_is_refused() -> None:
    story = live()
    story.at(2_000, done(ENCODER, NOW + 2_000))
    assert story.at(2_100, publish(ENCODER)) is Outcome.REFUSED


def test_an_old_publish_of_the_same_connection_that_comes_late_is_refused() -> None:
    story = Story()
    story.at(0, publish(replace(ENCODER, opened_at=NOW + 5_000)))
    assert story.at(1, publish(ENCODER)) is Outcome.REFUSED


def test_another_node_with_the_same_client_id_is_another_session() -> None:
    story = live()
    assert story.at(2_000, publish(replace(ENCODER, node="node-2"))) is Outcome.BUSY
    assert story.at(2_001, done(replace(ENCODER, node="node-2"), NOW + 2_001)) is Outcome.IGNORED


def test_a_stream_with_too_many_unfinished_recordings_takes_no_new_broadcast_for_now() -> None:
    story = Story()
    for number in range(UNFINISHED_LIMIT):
        ref = session_ref(str(number), NOW + number)
        assert story.at(number, publish(ref)) is Outcome.ACCEPTED
        story.at(number, done(ref, NOW + number))
        story.at(number, Stop())
    assert story.at(100, publish(session_ref("last", NOW + 100))) is Outcome.BUSY
    story.at(200, Finalised(story.control.previous[0].broadcast_id, 0.0))
    assert story.at(300, publish(session_ref("last", NOW + 300))) is Outcome.ACCEPTED


def test_an_encoder_that_returns_inside_the_window_goes_on_with_the_same_broadcast() -> None:
    story = live()
    broadcast_id = story.broadcast.broadcast_id
    story.at(5_000, done(ENCODER, NOW + 5_000))
    assert story.state() is BroadcastState.INTERRUPTED
    assert story.at(60_000, publish(OTHER)) is Outcome.ACCEPTED
    assert story.media(61_000, serial=2) is Outcome.ACCEPTED
    assert story.broadcast.broadcast_id == broadcast_id
    assert story.state() is BroadcastState.LIVE
    assert story.broadcast.live_at == NOW + 1_000
    assert story.told[-2:] == [BroadcastEventName.INTERRUPTED, BroadcastEventName.RESUMED]


def test_an_encoder_that_returns_after_the_window_begins_a_new_broadcast_even_if_no_tick_came() -> None:
    story = live()
    first = story.broadcast.broadcast_id
    story.at(5_000, done(ENCODER, NOW + 5_000))
    assert story.at(65_000, publish(OTHER)) is Outcome.ACCEPTED
    assert story.broadcast.broadcast_id != first
    assert [(b.broadcast_id, b.end_reason) for b in story.control.previous] == [(first, EndReason.WINDOW_ELAPSED)]


def test_the_broadcast_ends_with_the_window() -> None:
    story = live()
    story.at(5_000, done(ENCODER, NOW + 5_000))
    story.tick(64_999)
    assert story.broadcast.is_active
    story.tick(65_000)
    assert story.broadcast.end_reason is EndReason.WINDOW_ELAPSED
    assert story.told[-1] is BroadcastEventName.ENDED


def test_without_a_window_the_broadcast_ends_with_its_publisher() -> None:
    story = live(with_window(0))
    story.at(5_000, done(ENCODER, NOW + 5_000))
    assert story.broadcast.end_reason is EndReason.WINDOW_ELAPSED


def test_coming_back_without_media_does_not_prolong_the_window() -> None:
    story = live()
    story.at(5_000, done(ENCODER, NOW + 5_000))
    story.at(60_000, publish(OTHER))
    story.at(66_000, done(OTHER, NOW + 66_000))
    story.tick(66_001)
    assert story.broadcast.end_reason is EndReason.WINDOW_ELAPSED


def test_a_done_that_comes_twice_ends_nothing_twice() -> None:
    story = live()
    story.at(5_000, done(ENCODER, NOW + 5_000))
    before = story.control
    assert story.at(5_001, done(ENCODER, NOW + 5_000)) is Outcome.IGNORED
    assert story.control == before


def test_an_encoder_that_falls_silent_is_given_up_by_the_next_tick_and_its_stream_is_free() -> None:
    story = live()
    story.tick(IDLE_LIMIT_MS + 1)
    assert story.state() is BroadcastState.INTERRUPTED
    assert story.at(IDLE_LIMIT_MS + 2, publish(OTHER)) is Outcome.ACCEPTED


def test_a_session_whose_updates_were_lost_for_a_while_takes_its_claim_up_again() -> None:
    story = live()
    story.tick(20_000)
    assert story.broadcast.session is None
    assert story.at(22_000, update(ENCODER, NOW + 22_000)) is Outcome.ACCEPTED
    assert story.broadcast.session is not None
    assert (story.broadcast.session.ref, story.broadcast.session.serial) == (ENCODER, 2)
    assert story.control.pulses[-1].delay_ms == 0
    story.media(23_000, serial=2)
    assert story.state() is BroadcastState.LIVE


def test_a_session_that_was_silent_is_dismissed_once_another_one_has_come() -> None:
    story = live()
    story.tick(20_000)
    story.at(21_000, publish(OTHER))
    assert story.at(22_000, update(ENCODER, NOW + 22_000)) is Outcome.KICK
    assert story.broadcast.session is not None
    assert story.broadcast.session.ref == OTHER


def test_a_late_copy_of_an_update_is_no_proof_of_life() -> None:
    story = live()
    story.at(2_000, update(ENCODER, NOW + 2_000))
    assert story.at(9_000, update(ENCODER, NOW + 2_000)) is Outcome.IGNORED
    story.tick(2_000 + IDLE_LIMIT_MS + 1)
    assert story.broadcast.session is None
    assert story.at(12_000, update(ENCODER, NOW + 2_000)) is Outcome.IGNORED
    assert story.broadcast.session is None


def test_a_done_of_a_silent_session_makes_its_departure_final() -> None:
    story = live()
    story.tick(20_000)
    assert story.at(20_001, done(ENCODER, NOW + 19_000)) is Outcome.ACCEPTED
    assert story.at(22_000, update(ENCODER, NOW + 22_000)) is Outcome.KICK
    assert story.broadcast.session is None


def test_a_silent_session_that_speaks_up_after_the_window_is_dismissed() -> None:
    story = live()
    story.tick(20_000)
    assert story.at(80_000, update(ENCODER, NOW + 80_000)) is Outcome.KICK


def test_a_young_unknown_session_is_left_alone_for_its_publish_hook_may_still_be_on_the_way() -> None:
    assert Story().at(0, update(ENCODER, NOW + 1_000, age_seconds=1)) is Outcome.IGNORED


def test_an_old_unknown_session_is_dropped() -> None:
    assert Story().at(0, update(ENCODER, NOW + 60_000, age_seconds=60)) is Outcome.KICK


def test_an_unknown_session_with_a_key_that_is_no_longer_valid_is_dropped() -> None:
    assert Story().at(0, update(ENCODER, NOW + 1_000, key_version=None)) is Outcome.KICK

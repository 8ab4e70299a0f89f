"""What may become of a broadcast, rule by rule: each test is one fact about encoders, nodes, owners or time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headwater.domain.broadcast import (
    Broadcast,
    BroadcastEventName,
    BroadcastState,
    Declined,
    EndReason,
    RecordingState,
    StreamControl,
    StreamSettings,
)
from headwater.domain.broadcast_events import (
    Configure,
    Decline,
    Delete,
    Event,
    Finalised,
    MediaSeen,
    NameModerators,
    Publish,
    RotateKey,
    SourceRefused,
    Start,
    Stop,
    Suspend,
    Tick,
    Unsuspend,
)
from headwater.domain.broadcast_rules import (
    DURATION_LIMIT_MS,
    FINALISE_LIMIT_MS,
    IDLE_LIMIT_MS,
    MEDIA_LIMIT_MS,
    PULSE_INTERVAL_MS,
    UNFINISHED_LIMIT,
    Outcome,
    decide,
)
from headwater.domain.control_edits import NEWS_LIMIT
from headwater.domain.ids import UserId
from headwater.domain.publish_pauses import FAILED_AT_ONCE_MS, REFUSED_PAUSE_MS, STOPPED_PAUSE_MS
from tests.factories import NOW, done, publish, session_ref, stream_control, update

ENCODER, OTHER = session_ref("1"), session_ref("2", NOW + 1)


class Story:
    """A stream to which things happen, at times counted in ms from the start."""

    def __init__(self, control: StreamControl | None = None) -> None:
        self.control = control or stream_control()

    def at(self, after_ms: int, event: Event) -> Outcome:
        decision = decide(self.control, event, NOW + after_ms)
        self.control = decision.control
        return decision.outcome

    @property
    def broadcast(self) -> Broadcast:
        assert self.control.broadcast is not None
        return self.control.broadcast

    def state(self) -> BroadcastState:
        return self.broadcast.state

    @property
    def told(self) -> list[BroadcastEventName]:
        return [news.name for news in self.control.news]

    def tick(self, after_ms: int, *, due: int | None = None) -> Outcome:
        return self.at(after_ms, Tick(self.broadcast.broadcast_id, due))

    def media(self, after_ms: int, serial: int = 1) -> Outcome:
        return self.at(after_ms, MediaSeen(self.broadcast.broadcast_id, serial))


def live(control: StreamControl | None = None) -> Story:
    """On air since 1 s after NOW."""
    story = Story(control)
    assert story.at(0, publish(ENCODER)) is Outcome.ACCEPTED
    story.media(1_000)
    return story


def with_window(seconds: int) -> StreamControl:
    return stream_control(settings=StreamSettings(reconnect_window_seconds=seconds))


# -- publish ------------------------------------------------------------------------------------------------------


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


# -- going and coming back ----------------------------------------------------------------------------------------


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


# -- media --------------------------------------------------------------------------------------------------------


def test_a_connection_without_media_ends_after_thirty_seconds_and_is_dropped() -> None:
    story = Story()
    story.at(0, publish(ENCODER))
    story.at(MEDIA_LIMIT_MS - 1, update(ENCODER, NOW + MEDIA_LIMIT_MS - 1))
    story.tick(MEDIA_LIMIT_MS)
    assert story.broadcast.end_reason is EndReason.NO_MEDIA
    assert story.at(MEDIA_LIMIT_MS + 1, update(ENCODER, NOW + MEDIA_LIMIT_MS + 1)) is Outcome.KICK


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


# -- the owner ----------------------------------------------------------------------------------------------------


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


# -- unknown sessions ---------------------------------------------------------------------------------------------


def test_a_young_unknown_session_is_left_alone_for_its_publish_hook_may_still_be_on_the_way() -> None:
    assert Story().at(0, update(ENCODER, NOW + 1_000, age_seconds=1)) is Outcome.IGNORED


def test_an_old_unknown_session_is_dropped() -> None:
    assert Story().at(0, update(ENCODER, NOW + 60_000, age_seconds=60)) is Outcome.KICK


def test_an_unknown_session_with_a_key_that_is_no_longer_valid_is_dropped() -> None:
    assert Story().at(0, update(ENCODER, NOW + 1_000, key_version=None)) is Outcome.KICK


# -- the recording ------------------------------------------------------------------------------------------------


def test_an_ended_broadcast_becomes_a_recording_once() -> None:
    story = live()
    story.at(5_000, Stop())
    finalised = Finalised(story.broadcast.broadcast_id, 4.0, ("720p",))
    assert story.at(6_000, finalised) is Outcome.ACCEPTED
    assert story.broadcast.recording is RecordingState.READY
    assert story.told[-1] is BroadcastEventName.READY
    before = story.control
    assert story.at(7_000, finalised) is Outcome.IGNORED
    assert story.control == before


def test_a_broadcast_that_is_not_over_cannot_be_finalised() -> None:
    story = live()
    assert story.at(2_000, Finalised(story.broadcast.broadcast_id, 1.0)) is Outcome.IGNORED


def test_an_earlier_broadcast_is_forgotten_once_its_recording_is_settled_and_the_present_one_is_untouched() -> None:
    story = live()
    first = story.broadcast.broadcast_id
    story.at(5_000, Stop())
    story.at(15_000, publish(OTHER))
    present = story.broadcast
    assert story.at(16_000, Finalised(first, 4.0)) is Outcome.ACCEPTED
    assert story.control.previous == ()
    assert story.broadcast == present
    news = story.control.news[-1]
    assert (news.name, news.broadcast.broadcast_id) == (BroadcastEventName.READY, first)


def test_a_recording_that_cannot_be_finished_in_a_day_is_given_up() -> None:
    story = live()
    story.at(5_000, Stop())
    story.tick(5_000 + FINALISE_LIMIT_MS)
    assert story.broadcast.recording is RecordingState.FAILED
    assert story.broadcast.is_settled


# -- pulses and the outbox ----------------------------------------------------------------------------------------


def test_the_pulse_that_is_due_arms_the_next_even_when_clocks_disagree() -> None:
    story = live()
    story.tick(10, due=story.broadcast.next_pulse_at)
    due = story.broadcast.next_pulse_at
    assert due == NOW + 10 + PULSE_INTERVAL_MS
    assert story.tick(900, due=due) is Outcome.ACCEPTED, "much too early, by this machine's clock"
    assert story.broadcast.next_pulse_at == NOW + 900 + PULSE_INTERVAL_MS


def test_a_copy_of_a_pulse_does_not_begin_a_second_chain() -> None:
    story = live()
    due = story.broadcast.next_pulse_at
    story.tick(10, due=due)
    before = story.control
    assert story.tick(11, due=due) is Outcome.IGNORED
    assert story.control == before


def test_a_nudge_revives_a_chain_that_is_overdue_and_leaves_a_living_one_alone() -> None:
    story = live()
    story.tick(10, due=story.broadcast.next_pulse_at)
    assert story.tick(10 + PULSE_INTERVAL_MS - 1) is Outcome.IGNORED
    assert story.tick(10 + PULSE_INTERVAL_MS) is Outcome.ACCEPTED


def test_unsent_pulses_of_one_broadcast_are_replaced_by_the_newest() -> None:
    story = live()
    for number in range(5):
        story.tick(5_000 * number + 5_000, due=story.broadcast.next_pulse_at)
    assert len(story.control.pulses) == 1


def test_a_bus_that_is_away_for_long_does_not_make_the_item_grow_for_ever() -> None:
    story = live(with_window(1_800))
    for number in range(2, 3 * NEWS_LIMIT):
        ref = session_ref(str(number), NOW + 10_000 * number)
        story.at(10_000 * number, publish(ref))
        story.media(10_000 * number + 1, serial=number)
        story.at(10_000 * number + 2, done(ref, NOW + 10_000 * number + 2))
    assert len(story.control.news) == NEWS_LIMIT
    assert story.control.news[-1].broadcast.sequence == story.broadcast.sequence


def test_a_settled_broadcast_needs_no_more_pulses() -> None:
    story = live()
    story.at(5_000, Stop())
    story.at(6_000, Finalised(story.broadcast.broadcast_id, 4.0))
    story.control = replace(story.control, news=(), pulses=())
    assert story.tick(7_000) is Outcome.IGNORED
    assert not story.control.needs_attention


def test_the_pauses_between_looks_at_an_unfinished_recording_grow() -> None:
    story = live()
    story.at(5_000, Stop())
    pauses = []
    for after in (5_000, 60_000, 3_600_000):
        story.tick(after, due=story.broadcast.next_pulse_at)
        pauses.append(story.control.pulses[-1].delay_ms)
    assert pauses == [1_000, 13_750, 60_000]


def test_every_event_has_an_answer_in_a_stream_that_never_broadcast() -> None:
    events: list[Event] = [
        Tick(publish().candidate_id), MediaSeen(publish().candidate_id, 1), Finalised(publish().candidate_id, 1.0),
        SourceRefused(publish().candidate_id, 1, EndReason.SOURCE_REFUSED, ""), done(ENCODER, NOW),
    ]  # fmt: skip
    for event in events:
        story = Story()
        before = story.control
        assert story.at(0, event) is Outcome.IGNORED
        assert story.control == before


def test_a_publish_is_the_only_event_that_brings_a_broadcast_into_being() -> None:
    story = Story()
    for event in (update(ENCODER, NOW, age_seconds=1), Start(), Stop(), RotateKey(), Configure(StreamSettings())):
        story.at(0, event)
    assert story.control.broadcast is None

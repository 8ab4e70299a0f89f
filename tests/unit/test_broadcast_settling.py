"""How a broadcast comes to rest: its recording, its pulses, its outbox. Each test is one fact."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headwater.domain.broadcast import (
    BroadcastEventName,
    EndReason,
    RecordingState,
    StreamEventName,
    StreamSettings,
)
from headwater.domain.broadcast_events import (
    Configure,
    Event,
    Finalised,
    MediaSeen,
    RotateKey,
    SourceRefused,
    Start,
    Stop,
    Tick,
)
from headwater.domain.broadcast_rules import FINALISE_LIMIT_MS, PULSE_INTERVAL_MS
from headwater.domain.control_edits import NEWS_LIMIT
from headwater.domain.decision import Outcome
from headwater.domain.media_access import Audience, audience_of
from tests.broadcast_story import ENCODER, OTHER, Story, live, with_window
from tests.factories import NOW, done, publish, session_ref, stream_control, update


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


def test_a_preview_whose_recording_is_given_up_stays_its_owners_alone() -> None:
    story = live(stream_control(settings=StreamSettings(auto_start=False)))
    preview = story.broadcast.broadcast_id
    story.at(5_000, Stop())
    story.tick(5_000 + FINALISE_LIMIT_MS)
    assert story.broadcast.recording is RecordingState.FAILED
    story.at(6_000 + FINALISE_LIMIT_MS, publish(OTHER))
    assert audience_of(story.control, preview) is Audience.OWNER


@pytest.mark.parametrize("auto_start", [True, False])
def test_what_was_not_recorded_is_nobodys_from_then_on_whatever_caches_have(auto_start: bool) -> None:
    story = live(stream_control(settings=StreamSettings(record=False, auto_start=auto_start)))
    unrecorded = story.broadcast.broadcast_id
    story.at(5_000, Stop())
    story.at(6_000, Finalised(unrecorded, 0.0, discarded=True))
    assert story.told[-1] is BroadcastEventName.DISCARDED
    told = [(news.name, news.broadcast_id) for news in story.control.stream_news]
    assert told[-1] == (StreamEventName.RECORDING_DELETED, unrecorded)
    assert {name for name, _ in told[:-1]} <= {StreamEventName.AUDIENCE_CHANGED}
    assert story.control.withheld == ()
    assert audience_of(story.control, unrecorded) is Audience.NOBODY


def test_a_preview_of_which_nothing_was_ever_stored_takes_no_place_among_what_is_withheld() -> None:
    story = live(stream_control(settings=StreamSettings(auto_start=False)))
    story.at(5_000, Stop())
    story.at(6_000, Finalised(story.broadcast.broadcast_id, 0.0))
    assert (story.control.withheld, story.control.removed) == ((), ())
    assert {news.name for news in story.control.stream_news} == {StreamEventName.AUDIENCE_CHANGED}


@pytest.mark.parametrize("recorded", [True, False])
def test_whether_a_recording_is_kept_is_what_was_set_when_the_broadcast_ended(recorded: bool) -> None:
    story = live(stream_control(settings=StreamSettings(record=not recorded)))
    assert story.control.records(story.broadcast) is not recorded
    story.at(2_000, Configure(StreamSettings(record=recorded)))
    assert story.control.records(story.broadcast) is recorded
    story.at(5_000, Stop())
    story.at(5_001, Configure(StreamSettings(record=not recorded)))
    assert story.control.records(story.broadcast) is recorded


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

"""A change is committed once and told at least once, at the price of one read and one write when there is nothing to tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headwater import broadcasts as module
from headwater.broadcasts import ATTEMPTS, Broadcasts
from headwater.domain.broadcast import StreamControl
from headwater.domain.broadcast_events import RotateKey, Start
from headwater.domain.decision import Outcome
from headwater.errors import Conflict, NotFound, StateContended
from tests.factories import NOW, publish, session_ref, stream_control, update
from tests.fakes import FakeClock, MemoryControls, MemoryOutbox, memory_broadcasts

ENCODER = session_ref()


def test_a_heartbeat_costs_one_read_one_write_and_no_message() -> None:
    control = stream_control()
    broadcasts, controls, outbox, clock = memory_broadcasts(control)
    broadcasts.apply(control.stream_id, publish(ENCODER))
    controls.reads = controls.writes = 0
    outbox.news.clear()
    outbox.pulses.clear()
    clock.advance(2_000)
    broadcasts.apply(control.stream_id, update(ENCODER, clock.now))
    assert (controls.reads, controls.writes, outbox.news, outbox.pulses) == (1, 1, [], [])


def test_an_event_that_changes_nothing_writes_nothing() -> None:
    control = stream_control()
    broadcasts, controls, _, _ = memory_broadcasts(control)
    assert broadcasts.apply(control.stream_id, Start()).outcome is Outcome.NOT_LIVE
    assert controls.writes == 0


def test_what_was_sent_is_struck_out_and_not_sent_again() -> None:
    control = stream_control()
    broadcasts, controls, outbox, _ = memory_broadcasts(control)
    broadcasts.apply(control.stream_id, publish(ENCODER))
    broadcasts.apply(control.stream_id, update(ENCODER, NOW + 1))
    assert len(outbox.news) == len(outbox.pulses) == 1
    assert not controls.items[control.stream_id].news


def test_an_event_is_committed_even_if_its_news_cannot_be_sent_and_the_next_one_sends_it() -> None:
    control = stream_control()
    broadcasts, controls, outbox, _ = memory_broadcasts(control)
    outbox.broken = True
    decision = broadcasts.apply(control.stream_id, publish(ENCODER))
    assert decision.outcome is Outcome.ACCEPTED
    assert decision.control.pulses, "the caller can see that they are not sent"
    assert controls.items[control.stream_id].broadcast is not None
    outbox.broken = False
    broadcasts.apply(control.stream_id, Start())
    assert len(outbox.news) == len(outbox.pulses) == 1


class Contended(MemoryControls):
    """Another writer gets in between, `rivals` times."""

    rivals = 0

    def commit(self, control: StreamControl, expected_version: int) -> bool:
        if self.rivals:
            self.rivals -= 1
            stored = self.items[control.stream_id]
            self.items[control.stream_id] = replace(stored, version=stored.version + 1)
        return super().commit(control, expected_version)


def test_a_lost_race_is_decided_anew_on_what_the_winner_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_pause", lambda attempt: None)
    control = stream_control()
    controls = Contended(control)
    controls.rivals = ATTEMPTS - 1
    Broadcasts(controls, MemoryOutbox(), FakeClock()).apply(control.stream_id, RotateKey())
    stored = controls.items[control.stream_id]
    assert (stored.key_version, stored.version) == (2, ATTEMPTS)


def test_who_has_just_read_the_state_spares_the_read_and_still_loses_no_race(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_pause", lambda attempt: None)
    control = stream_control()
    broadcasts, controls, _, _ = memory_broadcasts(control)
    broadcasts.apply(control.stream_id, RotateKey(), seen=control)
    assert controls.reads == 0
    broadcasts.apply(control.stream_id, RotateKey(), seen=control)  # which is out of date by now
    assert (controls.reads, controls.items[control.stream_id].key_version) == (1, 3)


def test_endless_races_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_pause", lambda attempt: None)
    control = stream_control()
    controls = Contended(control)
    controls.rivals = 10_000
    with pytest.raises(StateContended):
        Broadcasts(controls, MemoryOutbox(), FakeClock()).apply(control.stream_id, RotateKey())


def test_a_writer_that_comes_between_sending_and_striking_out_makes_the_news_go_out_twice_and_never_be_lost() -> None:
    control = stream_control()
    controls, outbox = MemoryControls(control), MemoryOutbox()
    broadcasts = Broadcasts(controls, outbox, FakeClock())
    send = outbox.send

    def slow(sent: StreamControl) -> None:
        outbox.send = send  # type: ignore[method-assign]
        send(sent)
        broadcasts.apply(control.stream_id, update(ENCODER, NOW + 1))

    outbox.send = slow  # type: ignore[assignment, method-assign]
    broadcasts.apply(control.stream_id, publish(ENCODER))
    assert len(outbox.news) == 2
    assert not controls.items[control.stream_id].news


def test_a_stream_is_created_once() -> None:
    control = stream_control()
    broadcasts, _, _, _ = memory_broadcasts()
    broadcasts.create(control)
    with pytest.raises(Conflict):
        broadcasts.create(control)
    assert broadcasts.read(control.stream_id) == control


def test_an_event_of_an_unknown_stream_is_not_found() -> None:
    broadcasts, _, _, _ = memory_broadcasts()
    with pytest.raises(NotFound):
        broadcasts.apply(stream_control().stream_id, Start())

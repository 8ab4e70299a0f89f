"""A stream to which things happen, as tests of the broadcast's rules tell it."""

from __future__ import annotations

from headwater.domain.broadcast import (
    Broadcast,
    BroadcastEventName,
    BroadcastState,
    StreamControl,
    StreamSettings,
)
from headwater.domain.broadcast_events import (
    Event,
    MediaSeen,
    Tick,
)
from headwater.domain.broadcast_rules import decide
from headwater.domain.decision import Outcome
from tests.factories import NOW, publish, session_ref, stream_control

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

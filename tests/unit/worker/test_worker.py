"""What the worker makes of a reader that fails in a way that nobody has thought of."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ffmpeg_worker import worker
from ffmpeg_worker.tag_buffer import ResumePoint
from headwater.contracts import TranscodeJob
from headwater.domain.broadcast import EndReason, StreamControl
from headwater.domain.broadcast_events import Event, SourceRefused
from headwater.domain.broadcast_rules import decide
from headwater.domain.decision import Decision
from headwater.domain.ids import BroadcastId, StreamId
from tests.factories import NOW, publish, stream_control
from tests.fakes_worker import Tenure


@dataclass
class HotState:
    control: StreamControl
    told: list[Event] = field(default_factory=list)

    def read(self, stream_id: StreamId) -> StreamControl:
        return self.control

    def apply(self, stream_id: StreamId, event: Event) -> Decision:
        self.told.append(event)
        decision = decide(self.control, event, NOW)
        self.control = decision.control
        return decision

    def pulse(self, stream_id: StreamId, broadcast_id: BroadcastId) -> None:
        pass


class Lease(Tenure):
    def acquire(self) -> bool:
        return True

    def release(self) -> bool:
        return True


class Sink:
    def resume_point(self, session_serial: int) -> ResumePoint | None:
        return None

    def close(self, seconds: float) -> bool:
        return True


class CrashingReader:
    cut_off_seconds = 0.0
    millicpu = None
    born = 0

    def __init__(self, *_: object) -> None:
        CrashingReader.born += 1

    def run(self) -> None:
        raise RuntimeError("nobody has thought of this")

    def stop(self, *, flush: bool = True) -> None:
        pass


def test_a_reader_that_keeps_crashing_ends_the_broadcast_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL_SECONDS", "FIRST_PAUSE_SECONDS", "LONGEST_PAUSE_SECONDS"):
        monkeypatch.setattr(worker, name, 0.001)
    monkeypatch.setattr(worker, "PublishSessionReader", CrashingReader)
    state = HotState(decide(stream_control(), publish(), NOW).control)
    assert state.control.broadcast is not None
    job = TranscodeJob(
        stream_id=state.control.stream_id, broadcast_id=state.control.broadcast.broadcast_id, generation=1
    )
    end = worker.Worker(job, state, state, Lease(), lambda _: Sink(), 1.0).run()  # type: ignore[arg-type,return-value]
    assert end is worker.WorkerEnd.BROADCAST_OVER
    assert CrashingReader.born == worker.CRASHES
    assert [type(event) for event in state.told] == [SourceRefused]
    assert state.control.broadcast is not None
    assert state.control.broadcast.end_reason is EndReason.TRANSCODE_FAILED

"""What alarms listen to is counted when it happens, and not otherwise; and a broadcast leaves the lines it is followed by."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from functions.broadcast_sweep.sweep_broadcasts import ZOMBIE_MS, SweepBroadcasts
from headwater.domain.broadcast_events import Finalised, MediaSeen, Stop
from headwater.domain.ids import new_id
from headwater.observability import flush_metrics, logger, metrics
from tests.factories import publish, stream_control
from tests.fakes import memory_broadcasts


@pytest.fixture(autouse=True)
def fresh_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # A name of its own, for the handler of a logger that was made before writes to where stdout led then.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"test_monitored_{new_id()}")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Headwater/test")
    for made in (logger, metrics):
        made.cache_clear()
    metrics().clear_metrics()
    yield
    metrics().clear_metrics()
    for made in (logger, metrics):
        made.cache_clear()


def written(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, object]], dict[str, object]]:
    """The lines of the log since the last look, and the metrics."""
    flush_metrics()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    emitted: dict[str, object] = {}
    for line in lines:
        for described in line.get("_aws", {}).get("CloudWatchMetrics", []):
            assert described["Namespace"] == "Headwater/test"
            assert described["Dimensions"] == [["service"]]
            emitted |= {each["Name"]: line[each["Name"]] for each in described["Metrics"]}
    return [line for line in lines if "_aws" not in line], emitted


def test_every_change_of_a_broadcast_is_a_line_with_its_ids_and_going_live_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    control, event = stream_control(), publish()
    broadcasts, _, _, clock = memory_broadcasts(control)
    broadcasts.apply(control.stream_id, event)
    clock.advance(21_000)
    broadcasts.apply(control.stream_id, MediaSeen(event.candidate_id, 1))
    broadcasts.apply(control.stream_id, MediaSeen(event.candidate_id, 1))  # no news
    broadcasts.apply(control.stream_id, Stop())
    lines, emitted = written(capsys)
    assert [line["news"] for line in lines] == ["BroadcastStarted", "BroadcastLive", "BroadcastEnded"]
    ids = {"stream_id": control.stream_id, "broadcast_id": event.candidate_id}
    assert all(line.items() >= ids.items() for line in lines)
    assert emitted == {"GoLiveDelay": [21_000.0]}


def test_a_broadcast_that_does_not_settle_is_a_zombie_and_one_that_is_on_the_air_for_long_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hanging, on_air = stream_control(), stream_control()
    broadcasts, controls, outbox, clock = memory_broadcasts(hanging, on_air)
    events = {control.stream_id: publish() for control in (hanging, on_air)}
    for stream_id, event in events.items():
        broadcasts.apply(stream_id, event)
        broadcasts.apply(stream_id, MediaSeen(event.candidate_id, 1))
    broadcasts.apply(hanging.stream_id, Stop())
    sweep = SweepBroadcasts(broadcasts, controls, outbox, clock)
    clock.advance(ZOMBIE_MS - 1)
    sweep()
    assert "ZombieBroadcasts" not in written(capsys)[1]
    clock.advance(1)
    sweep()
    lines, emitted = written(capsys)
    assert emitted["ZombieBroadcasts"] == [1.0]
    [told] = [line for line in lines if line["message"] == "broadcast does not settle"]
    assert (told["stream_id"], told["broadcast_id"]) == (hanging.stream_id, events[hanging.stream_id].candidate_id)
    broadcasts.apply(hanging.stream_id, Finalised(events[hanging.stream_id].candidate_id, 4.0))
    sweep()
    assert "ZombieBroadcasts" not in written(capsys)[1]

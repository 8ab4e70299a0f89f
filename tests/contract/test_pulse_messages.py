"""What the `pulse` queue may carry, and what the dispatcher makes of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.transcode_dispatch import handler as dispatch
from functions.transcode_dispatch.wire import Look, LookAtPool, read_look
from headwater.contracts import BroadcastPulse, WarmPoolPulse, encode
from headwater.domain.ids import BroadcastId, StreamId, WorkerId
from headwater.errors import DependencyUnavailable
from tests.lambda_events import sqs_event

STREAM, BROADCAST = StreamId("01m9a3b5c7d9e1f3g5h7j9"), BroadcastId("01m9a4b5c7d9e1f3g5h7j9")
TASK_STOPPED = (Path(__file__).parents[1] / "events/ecs_task_stopped.json").read_text()


def test_a_pulse_reads_as_a_look_at_its_broadcast() -> None:
    assert read_look(encode(BroadcastPulse(stream_id=STREAM, broadcast_id=BROADCAST, due=7))) == Look(
        STREAM, BROADCAST, 7
    )


def test_a_pulse_of_a_newer_sender_is_understood() -> None:
    assert read_look(f'{{"stream_id":"{STREAM}","broadcast_id":"{BROADCAST}","new":1}}') == Look(STREAM, BROADCAST)


@pytest.mark.parametrize("source", ["aws.ecs", "local.ecs"])
def test_a_stopped_task_is_a_look_at_its_broadcast_that_names_task_and_generation(source: str) -> None:
    look = read_look(TASK_STOPPED.replace("aws.ecs", source))
    assert isinstance(look, Look)
    assert (look.stream_id, look.broadcast_id, look.stopped_generation) == (STREAM, BROADCAST, 3)
    assert look.stopped_task == "arn:aws:ecs:eu-west-1:123456789012:task/headwater/1dc5c17aff1749c6b7b2b3e6b1b1b1b1"


def test_a_pulse_of_the_pool_and_the_end_of_a_task_that_waited_are_looks_at_the_pool() -> None:
    assert read_look(encode(WarmPoolPulse())) == LookAtPool()
    assert TASK_STOPPED.count("TRANSCODE_JOB") == 1
    detail = msgspec.json.decode(TASK_STOPPED)["detail"]
    detail["startedBy"] = "warm-pool"
    [container] = detail["overrides"]["containerOverrides"]
    container["environment"] = [{"name": "WARM_WORKER", "value": BROADCAST}]
    event = {"detail-type": "ECS Task State Change", "source": "aws.ecs", "detail": detail}
    assert read_look(msgspec.json.encode(event).decode()) == LookAtPool(WorkerId(BROADCAST), detail["taskArn"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f'"startedBy": "{STREAM}/{BROADCAST}"', '"startedBy": "ecs-svc/1234567890123456789"'),
        (f'"startedBy": "{STREAM}/{BROADCAST}",', ""),
        ('"lastStatus": "STOPPED",\n    "launchType"', '"lastStatus": "RUNNING",\n    "launchType"'),
        ("ECS Task State Change", "Another Event"),
    ],
)
def test_events_that_are_not_about_a_stopped_worker_are_nobodys_business(old: str, new: str) -> None:
    assert old in TASK_STOPPED
    assert read_look(TASK_STOPPED.replace(old, new)) is None


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "{}", '{"stream_id":"../x","broadcast_id":"y"}'])
def test_a_malformed_message_is_a_permanent_error(body: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_look(body)


def test_only_records_that_may_succeed_later_are_delivered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Look] = []

    def look_at(look: Look) -> None:
        looked.append(look)
        if look.due == 2:
            raise DependencyUnavailable

    monkeypatch.setattr(dispatch, "look_at_broadcast", lambda: look_at)
    pulses = [encode(BroadcastPulse(stream_id=STREAM, broadcast_id=BROADCAST, due=due)) for due in (1, 2, 3)]
    answer = dispatch.handler(sqs_event(pulses[0], "not json", pulses[1], pulses[2]), LambdaContext())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-2"}]}
    assert [look.due for look in looked] == [1, 2, 3]

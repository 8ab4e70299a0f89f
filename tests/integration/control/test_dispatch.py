"""The dispatcher as deployed, from the queue's event to ECS: wired by its own wiring, against AWS by moto."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from functions.broadcast_sweep import wiring as sweep_wiring
from functions.broadcast_sweep.handler import handler as sweep
from functions.transcode_dispatch import wiring
from functions.transcode_dispatch.handler import handler
from headwater.adapters import aws
from headwater.adapters.leases import Leases
from headwater.adapters.outbox import Outbox
from headwater.adapters.stream_controls import StreamControls
from headwater.adapters.transcode_tasks import TranscodeTasks
from headwater.adapters.warm_pools import WarmPools
from headwater.broadcasts import Broadcasts
from headwater.contracts import BroadcastPulse, FinaliseRecording, TranscodeJob, WarmPoolPulse, decode, encode
from headwater.domain.broadcast_events import Stop
from headwater.domain.ids import BroadcastId, StreamId, WorkerId, new_id
from headwater.domain.lease import Fence, LeaseState
from headwater.domain.worker_size import WorkerSize
from headwater.errors import DependencyUnavailable
from tests.aws import EVENT_BUS, LEASE_TABLE, STREAM_TABLE, Account, received
from tests.factories import publish, stream_control
from tests.lambda_events import sqs_event

CLUSTER, FAMILY = "headwater", "headwater-worker"


@pytest.fixture
def cluster(account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """A cluster with room for tasks, and the dispatcher's environment."""
    ecs = aws.client("ecs")
    ecs.create_cluster(
        clusterName=CLUSTER,
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
    )
    ecs.register_task_definition(
        family=FAMILY,
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="1024",
        memory="2048",
        containerDefinitions=[{"name": "worker", "image": "worker", "memory": 512}],
    )
    ec2 = aws.client("ec2")
    # moto's default VPC: network interfaces in any other lack a name that its RunTask reads.
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = ec2.create_security_group(GroupName="worker", Description="worker", VpcId=subnet["VpcId"])["GroupId"]
    environment = {
        "STREAM_TABLE": STREAM_TABLE,
        "LEASE_TABLE": LEASE_TABLE,
        "EVENT_BUS": EVENT_BUS,
        "PULSE_QUEUE_URL": account.pulse_queue,
        "FINALISE_QUEUE_URL": account.finalise_queue,
        "ECS_CLUSTER": CLUSTER,
        "TRANSCODE_TASK_DEFINITION": FAMILY,
        "TRANSCODE_SUBNETS": subnet["SubnetId"],
        "TRANSCODE_SECURITY_GROUPS": group,
        "TRANSCODE_SPOT": "true",
        "WORKER_START_LIMIT_SECONDS": "60",
        "LONGEST_BROADCAST_SECONDS": "172800",
        "TRANSCODE_CPU": "1024",
        "WARM_WORKERS": "0",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    wiring.look_at_broadcast.cache_clear()
    wiring.warm_workers.cache_clear()
    sweep_wiring.sweep_broadcasts.cache_clear()
    sweep_wiring.stop_orphans.cache_clear()
    sweep_wiring.nudge_pool.cache_clear()
    return account


def live_stream(account: Account) -> tuple[Broadcasts, StreamId, BroadcastId]:
    broadcasts = Broadcasts(StreamControls(STREAM_TABLE), Outbox(EVENT_BUS, account.pulse_queue))
    control, event = stream_control(), publish()
    broadcasts.create(control)
    broadcasts.apply(control.stream_id, event)
    return broadcasts, control.stream_id, event.candidate_id


def look(*bodies: str) -> dict[str, Any]:
    return handler(sqs_event(*bodies), LambdaContext())


def running_tasks() -> list[dict[str, Any]]:
    ecs = aws.client("ecs")
    arns = ecs.list_tasks(cluster=CLUSTER)["taskArns"]
    found: list[dict[str, Any]] = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []
    return [task for task in found if task["desiredStatus"] != "STOPPED"]


def test_the_pulse_of_a_publish_starts_one_task_with_its_job(cluster: Account) -> None:
    _, stream_id, broadcast_id = live_stream(cluster)
    bodies = received(cluster.pulse_queue)
    assert len(bodies) == 1
    assert look(*bodies * 3) == {"batchItemFailures": []}
    (task,) = running_tasks()
    assert task["startedBy"] == f"{stream_id}/{broadcast_id}"
    (override,) = task["overrides"]["containerOverrides"]
    assert override["name"] == "worker"
    (variable,) = override["environment"]
    assert variable["name"] == "TRANSCODE_JOB"
    assert decode(variable["value"], TranscodeJob) == TranscodeJob(
        stream_id=stream_id, broadcast_id=broadcast_id, generation=1
    )
    assert Leases(LEASE_TABLE).load(broadcast_id).task_id == task["taskArn"]


def test_dispatchers_that_look_at_the_same_moment_request_one_generation(cluster: Account) -> None:
    _, stream_id, broadcast_id = live_stream(cluster)
    pulse = encode(BroadcastPulse(stream_id=stream_id, broadcast_id=broadcast_id))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: look(pulse), range(6)))
    assert all(answer == {"batchItemFailures": []} for answer in answers)
    assert Leases(LEASE_TABLE).load(broadcast_id).generation == 1
    # moto knows no client tokens; ECS starts one task per token, and here all tokens are the same.
    jobs = {task["overrides"]["containerOverrides"][0]["environment"][0]["value"] for task in running_tasks()}
    assert len(jobs) == 1


def test_a_stopped_task_is_replaced_and_the_older_one_is_told_to_stop(cluster: Account) -> None:
    _, stream_id, broadcast_id = live_stream(cluster)
    look(*received(cluster.pulse_queue))
    leases = Leases(LEASE_TABLE)
    first = leases.load(broadcast_id)
    assert leases.acquire(broadcast_id, 1, WorkerId("w")) is not None
    event = {
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "detail": {
            "taskArn": first.task_id,
            "lastStatus": "STOPPED",
            "startedBy": f"{stream_id}/{broadcast_id}",
        },
    }
    look(json.dumps(event))
    second = leases.load(broadcast_id)
    assert (second.generation, second.state) == (2, LeaseState.REQUESTED)
    assert [task["taskArn"] for task in running_tasks()] == [second.task_id]
    assert not leases.beat(Fence(broadcast_id, 1, WorkerId("w")))


def test_an_ended_broadcast_is_handed_to_the_finaliser_with_its_lease_closed(cluster: Account) -> None:
    broadcasts, stream_id, broadcast_id = live_stream(cluster)
    look(*received(cluster.pulse_queue))
    leases = Leases(LEASE_TABLE)
    fence = Fence(broadcast_id, 1, WorkerId("w"))
    assert leases.acquire(broadcast_id, 1, fence.worker_id) is not None
    broadcasts.apply(stream_id, Stop())
    pulse = encode(BroadcastPulse(stream_id=stream_id, broadcast_id=broadcast_id))
    look(pulse)
    assert received(cluster.finalise_queue) == []
    assert leases.release(fence)
    look(pulse, pulse)
    assert [decode(body, FinaliseRecording) for body in received(cluster.finalise_queue)] == [
        FinaliseRecording(stream_id=stream_id, broadcast_id=broadcast_id)
    ]
    assert leases.load(broadcast_id).state is LeaseState.CLOSED


def test_a_pulse_for_a_stream_that_is_gone_is_dropped(cluster: Account) -> None:
    pulse = encode(BroadcastPulse(stream_id=StreamId(new_id()), broadcast_id=BroadcastId(new_id())))
    assert look(pulse, "not json") == {"batchItemFailures": []}
    assert running_tasks() == []


def test_the_sweep_revives_a_chain_that_was_lost(cluster: Account) -> None:
    broadcasts, stream_id, broadcast_id = live_stream(cluster)
    received(cluster.pulse_queue)  # lost
    controls = StreamControls(STREAM_TABLE)
    control = controls.load(stream_id)
    assert control is not None
    assert control.broadcast is not None
    sweep({}, None)
    assert received(cluster.pulse_queue) == [], "not overdue yet"
    sweep_wiring.sweep_broadcasts()._clock = lambda: control.broadcast.next_pulse_at + 60_000  # type: ignore[union-attr]
    sweep({}, None)
    (body,) = received(cluster.pulse_queue)
    assert decode(body, BroadcastPulse) == BroadcastPulse(stream_id=stream_id, broadcast_id=broadcast_id)
    assert broadcasts.read(stream_id) is not None


def test_what_ecs_refuses_is_a_transient_failure_and_a_task_that_is_unknown_has_stopped(cluster: Account) -> None:
    tasks = TranscodeTasks("elsewhere", FAMILY)
    job = TranscodeJob(stream_id=StreamId(new_id()), broadcast_id=BroadcastId(new_id()), generation=1)
    with pytest.raises(DependencyUnavailable):
        tasks.start(job, "token")
    with pytest.raises(DependencyUnavailable):
        tasks.of_broadcast(job.stream_id, job.broadcast_id)
    unknown = f"arn:aws:ecs:eu-west-1:123456789012:task/{CLUSTER}/0123456789abcdef0123456789abcdef"
    assert TranscodeTasks(CLUSTER, FAMILY).has_stopped(unknown)


def asked_of_ecs(monkeypatch: pytest.MonkeyPatch, refuse: str | None, as_error: bool) -> list[dict[str, Any]]:
    """RunTask's requests; capacity of the provider `refuse` is used up."""
    ecs, asked = aws.client("ecs"), list[dict[str, Any]]()
    run_task, says = ecs.run_task, "Capacity is unavailable at this time. Please try again later"

    def answer(**request: Any) -> Any:
        asked.append(request)
        [strategy] = request["capacityProviderStrategy"]
        if strategy["capacityProvider"] != refuse:
            return run_task(**request)
        if as_error:
            raise ClientError({"Error": {"Code": "ClientException", "Message": says}}, "RunTask")
        return {"tasks": [], "failures": [{"reason": says}]}

    monkeypatch.setattr(ecs, "run_task", answer)
    return asked


@pytest.mark.parametrize("as_error", [True, False])
def test_without_spare_capacity_the_worker_starts_at_the_full_price_at_once(
    cluster: Account, monkeypatch: pytest.MonkeyPatch, as_error: bool
) -> None:
    asked = asked_of_ecs(monkeypatch, "FARGATE_SPOT", as_error)
    subnets, groups = os.environ["TRANSCODE_SUBNETS"], os.environ["TRANSCODE_SECURITY_GROUPS"]
    tasks = TranscodeTasks(CLUSTER, FAMILY, [subnets], [groups], spot=True)
    job = TranscodeJob(stream_id=StreamId(new_id()), broadcast_id=BroadcastId(new_id()), generation=1)
    task_id = tasks.start(job, "token", WorkerSize(2048, 4096), spot=True)
    assert [each["capacityProviderStrategy"][0]["capacityProvider"] for each in asked] == ["FARGATE_SPOT", "FARGATE"]
    assert len({each["clientToken"] for each in asked}) == 2, "ECS refuses a token that comes with another request"
    overrides = asked[-1]["overrides"]
    assert (overrides["cpu"], overrides["memory"]) == ("2048", "4096")
    assert overrides["containerOverrides"][0]["memory"] == 4096
    assert [(task.task_id, task.broadcast_id) for task in tasks.running()] == [(task_id, job.broadcast_id)]
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("near", "room_in", "tried"),
    [
        ("10.0.1.9", "spot b", ["spot b"]),
        ("10.0.1.9", "spot a", ["spot b", "spot a b"]),
        ("10.0.1.9", "full b", ["spot b", "spot a b", "full b"]),
        ("10.0.1.9", "full a", ["spot b", "spot a b", "full b", "full a b"]),
        ("192.0.2.1", "spot a", ["spot a b"]),
        (None, "spot b", ["spot a b"]),
        ("a-name.example", "spot b", ["spot a b"]),
    ],
)
def test_a_worker_is_started_in_the_zone_of_its_node_and_elsewhere_when_there_is_no_room(
    cluster: Account, monkeypatch: pytest.MonkeyPatch, near: str | None, room_in: str, tried: list[str]
) -> None:
    asked, tokens = list[str](), list[str]()

    def answer(**request: Any) -> Any:
        [strategy] = request["capacityProviderStrategy"]
        kind = {"FARGATE_SPOT": "spot", "FARGATE": "full"}[strategy["capacityProvider"]]
        subnets = request["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
        asked.append(" ".join([kind, *subnets]))
        tokens.append(request["clientToken"])
        if room_in in {f"{kind} {subnet}" for subnet in subnets}:
            return {"tasks": [{"taskArn": "task"}]}
        return {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}

    monkeypatch.setattr(aws.client("ecs"), "run_task", answer)
    ranges = ["10.0.0.0/24", "10.0.1.0/24"]
    tasks = TranscodeTasks(CLUSTER, FAMILY, ["a", "b"], ["group"], spot=True, ranges=ranges)
    job = TranscodeJob(stream_id=StreamId(new_id()), broadcast_id=BroadcastId(new_id()), generation=1)
    assert tasks.start(job, "token", None, spot=True, near=near) == "task"
    assert asked == tried
    assert len(set(tokens)) == len(tokens), "ECS refuses a token that comes with another request"
    monkeypatch.undo()


def test_without_any_capacity_the_next_pulse_tries_again(cluster: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_of_ecs(monkeypatch, "FARGATE", as_error=False)
    job = TranscodeJob(stream_id=StreamId(new_id()), broadcast_id=BroadcastId(new_id()), generation=1)
    with pytest.raises(DependencyUnavailable):
        TranscodeTasks(CLUSTER, FAMILY).start(job, "token")


def test_broadcasts_that_begin_at_once_take_those_who_wait_one_each_and_the_pool_is_filled_again(
    cluster: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARM_WORKERS", "2")
    pools, filled = WarmPools(LEASE_TABLE), encode(WarmPoolPulse())
    assert look(filled, filled) == {"batchItemFailures": []}
    assert [task["startedBy"] for task in running_tasks()] == ["warm-pool"] * 2
    workers = pools.load().workers
    for each in workers:
        assert pools.beat(each.worker_id)
    streams = [live_stream(cluster) for _ in range(3)]
    received(cluster.pulse_queue)
    pulses = [encode(BroadcastPulse(stream_id=stream_id, broadcast_id=of)) for _, stream_id, of in streams]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(look, pulses * 2))
    assert all(answer == {"batchItemFailures": []} for answer in answers)
    leases = [Leases(LEASE_TABLE).load(of) for _, _, of in streams]
    jobs = [sign.job for each in workers if (sign := pools.sign(each.worker_id)) is not None]
    assert len({decode(job, TranscodeJob).broadcast_id for job in jobs if job}) == 2, "each by another broadcast"
    assert sorted(lease.claimed for lease in leases) == [False, True, True]
    assert {lease.task_id for lease in leases if lease.claimed} == {each.task_id for each in workers}
    assert all(lease.generation == 1 for lease in leases)
    assert not any(pools.beat(each.worker_id) or pools.retire(each.worker_id) for each in workers), "they have jobs"
    look(*[body for body in received(cluster.pulse_queue) if "warm_pool" in body])
    assert len(pools.load().workers) == 2
    assert not {each.worker_id for each in pools.load().workers} & {each.worker_id for each in workers}


def test_a_newer_revision_of_the_worker_takes_the_place_of_those_who_wait(
    cluster: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARM_WORKERS", "1")
    look(encode(WarmPoolPulse()))
    [before] = WarmPools(LEASE_TABLE).load().workers
    assert WarmPools(LEASE_TABLE).beat(before.worker_id)
    monkeypatch.setenv("TRANSCODE_TASK_DEFINITION", f"{FAMILY}:1")
    wiring.warm_workers.cache_clear()
    look(encode(WarmPoolPulse()))
    [after] = WarmPools(LEASE_TABLE).load().workers
    assert (before.definition, after.definition) == (FAMILY, f"{FAMILY}:1")
    assert not WarmPools(LEASE_TABLE).beat(before.worker_id), "it goes by itself, too"
    assert [task["taskArn"] for task in running_tasks()] == [after.task_id]

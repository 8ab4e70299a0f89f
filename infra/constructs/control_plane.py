"""Stages 2–4 · the hot state of ingest and how its changes get out: three tables, the event bus and the pulse queue."""

from __future__ import annotations

from typing import Protocol

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as event_targets
from constructs import Construct

from headwater.domain.broadcast import StreamEventName
from infra.config.stage import Stage
from infra.constructs.kept_store import removal_policy
from infra.constructs.work_queue import WorkQueue

UNSETTLED_INDEX = "unsettled"


class Grantee(Protocol):
    """Something with a role of its own: a function or the worker's task."""

    def may(self, actions: str | list[str], *resources: str) -> None: ...


class ControlPlane(Construct):
    """One `StreamControl` per stream, one lease per broadcast, the rows of its timeline; news and pulses."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, cluster_arn: str) -> None:
        super().__init__(scope, construct_id)
        self.streams = table(self, "Streams", stage=stage, key="stream_id")
        self.streams.add_global_secondary_index(
            index_name=UNSETTLED_INDEX,
            partition_key=_text("unsettled"),
            sort_key=_text("stream_id"),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        self.leases = table(self, "Leases", stage=stage, key="broadcast_id", expires=True)
        self.timeline = table(self, "Timeline", stage=stage, key="broadcast_id", sort_key="position")
        self.bus = events.EventBus(self, "Events", description="BroadcastChanged, from everyone who commits a control")
        # Ten seconds of work at most, so a minute of invisibility: a pulse that fails is looked at again by the sweep,
        # too, within a minute. Five attempts suffice, for pulses are repeated for as long as a broadcast is unsettled.
        self.pulses = WorkQueue(self, "Pulses", stage=stage, visibility_seconds=60, attempts=5)
        self._pulse_when_a_task_stops(cluster_arn)

    @property
    def environment(self) -> dict[str, str]:
        """What everyone who commits a control is told."""
        return {
            "STREAM_TABLE": self.streams.table_name,
            "EVENT_BUS": self.bus.event_bus_name,
            "PULSE_QUEUE_URL": self.pulses.url,
        }

    def let_commit(self, grantee: Grantee) -> None:
        """Load a control, write its successor, send its outbox."""
        grantee.may(["dynamodb:GetItem", "dynamodb:PutItem"], self.streams.table_arn)
        grantee.may("events:PutEvents", self.bus.event_bus_arn)
        grantee.may("sqs:SendMessage", self.pulses.arn)

    def let_find_unsettled(self, grantee: Grantee) -> None:
        grantee.may("dynamodb:Query", f"{self.streams.table_arn}/index/{UNSETTLED_INDEX}")

    def forward(self, source: str, queue: WorkQueue, *names: StreamEventName, rule: tuple[Construct, str]) -> None:
        """Everything from `source` that the bus carries goes to `queue`; with `names`, only what is called so."""
        events.Rule(
            *rule,
            event_bus=self.bus,
            event_pattern=events.EventPattern(
                source=[source], detail_type=[name.value for name in names] if names else None
            ),
            targets=[_to(queue)],
        )

    def _pulse_when_a_task_stops(self, cluster_arn: str) -> None:
        events.Rule(
            self,
            "TaskStopped",
            description="A worker is gone: look at its broadcast at once, not at the next pulse",
            event_pattern=events.EventPattern(
                source=["aws.ecs"],
                detail_type=["ECS Task State Change"],
                detail={"clusterArn": [cluster_arn], "lastStatus": ["STOPPED"]},
            ),
            targets=[_to(self.pulses)],
        )


def _to(queue: WorkQueue) -> event_targets.SqsQueue:
    return event_targets.SqsQueue(queue.queue, dead_letter_queue=queue.dead_letters)


def table(
    scope: Construct,
    construct_id: str,
    *,
    stage: Stage,
    key: str,
    sort_key: str | None = None,
    expires: bool = False,
) -> dynamodb.Table:
    """A table paid per request, recoverable to any second of the last 35 days; `expires_at` is Unix seconds."""
    return dynamodb.Table(
        scope,
        construct_id,
        partition_key=_text(key),
        sort_key=_text(sort_key) if sort_key else None,
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        time_to_live_attribute="expires_at" if expires else None,
        deletion_protection=stage.keep_data,
        removal_policy=removal_policy(stage),
    )


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)

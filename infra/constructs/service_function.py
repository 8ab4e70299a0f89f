"""One Lambda function from one folder under functions/: its bundle, its role with nothing but what is granted, its log.

Every grant is a call of `may`, so that a stack reads as the list of what each function is able to do. Four ways lead to a
function: a gateway calls it, a queue feeds it (`consume`), a schedule starts it (`run_every`), and what its schedule would
find a minute later may be told to it by an event (`hear`). No function has a URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import AssetHashType, Duration, RemovalPolicy
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as event_targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as schedule_targets
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.bundling import Bundler
from infra.config.stage import Stage
from infra.constructs.placement import Placement, let_lambda_place
from infra.constructs.work_queue import LONGEST_RETENTION, WorkQueue

_RETENTION = {
    1: logs.RetentionDays.ONE_DAY,
    7: logs.RetentionDays.ONE_WEEK,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
}


def log_retention(stage: Stage) -> logs.RetentionDays:
    return _RETENTION[stage.log_retention_days]


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What every construct is given: the stage's values, how code becomes an archive, and where functions stand that use
    the database or the cache (None where there is no network)."""

    stage: Stage
    bundle: Bundler
    placement: Placement | None = None


class ServiceFunction(Construct):
    """`functions/<name>`, called as `functions.<name>.handler.handler`.

    `environment` holds exactly the fields of the function's `settings.py`. `memory_mib` also buys CPU: 1,769 is one core.
    `at_once` reserves so many copies of the function, and lets there be no more (`infra/config/api.py`).
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        deployment: Deployment,
        name: str,
        environment: Mapping[str, str],
        timeout_seconds: int,
        memory_mib: int = 512,
        at_once: int | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        stage = deployment.stage
        runtime = stage.function_runtime
        bundle = deployment.bundle(name, runtime)
        placement = deployment.placement
        if placement is not None and not placement.needed_by(environment):
            placement = None
        self.log_group = logs.LogGroup(
            self, "Log", retention=log_retention(stage), removal_policy=RemovalPolicy.DESTROY
        )
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"functions/{name}",
        )
        self._stage = stage
        self.timeout_seconds = timeout_seconds
        self.missed: sqs.Queue | None = None
        """What a schedule wanted done and was not, after every attempt; None where no schedule starts the function."""
        self.function = lambda_.Function(
            self,
            "Function",
            description=f"functions/{name}",
            handler=f"functions.{name}.handler.handler",
            code=lambda_.Code.from_asset(
                str(bundle.archive), asset_hash=bundle.asset_hash, asset_hash_type=AssetHashType.CUSTOM
            ),
            runtime=lambda_.Runtime(f"python{runtime.python}", lambda_.RuntimeFamily.PYTHON),
            architecture=lambda_.Architecture.ARM_64
            if runtime.architecture == "arm64"
            else lambda_.Architecture.X86_64,
            memory_size=memory_mib,
            timeout=Duration.seconds(timeout_seconds),
            role=role,
            log_group=self.log_group,
            reserved_concurrent_executions=at_once,
            environment={
                "POWERTOOLS_SERVICE_NAME": name,
                "POWERTOOLS_METRICS_NAMESPACE": stage.metrics_namespace,
                **({} if placement is None else placement.environment),
                **stage.function_environment,
                **environment,
            },
            **({} if placement is None else placement.function_options),
        )
        if placement is not None:
            let_lambda_place(self.function, role)
        self.may(["logs:CreateLogStream", "logs:PutLogEvents"], self.log_group.log_group_arn)

    def may(self, actions: str | list[str], *resources: str, conditions: Mapping[str, object] | None = None) -> None:
        """Allow `actions` on `resources` (ARNs), and nothing else."""
        self.function.add_to_role_policy(
            iam.PolicyStatement(
                actions=[actions] if isinstance(actions, str) else actions,
                resources=list(resources),
                conditions=conditions,
            )
        )

    def consume(self, queue: WorkQueue, *, batch_size: int, at_once: int | None = None, hastens: bool = True) -> None:
        """Call the function with up to `batch_size` messages as soon as there are any; failed ones alone come back.

        `at_once`: so many batches are worked on at a time, for the sake of the store behind; the rest waits in the queue.
        `hastens`: what failed is to come back sooner than the queue would bring it (headwater/adapters/redelivery.py).
        """
        if queue.visibility_seconds < 6 * self.timeout_seconds:
            raise ValueError(
                f"{self.node.path}: a message must stay hidden for six time-outs of its function, so that throttled "
                f"batches are not handed out twice (docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html)"
            )
        lambda_.EventSourceMapping(
            self,
            f"{queue.node.id}Mapping",
            target=self.function,
            event_source_arn=queue.arn,
            batch_size=batch_size,
            max_concurrency=at_once,
            report_batch_item_failures=True,
        )
        # What Lambda does in the function's name (AWS, "Using Lambda with Amazon SQS": execution role permissions).
        self.may(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], queue.arn)
        if hastens:
            self.may(["sqs:GetQueueUrl", "sqs:ChangeMessageVisibility"], queue.arn)

    def run_every(
        self,
        period: Duration,
        *,
        name: str,
        attempts: int,
        give_up_after: Duration,
        event: Mapping[str, str] | None = None,
    ) -> None:
        """Start the function again and again. What was still not done after `attempts` is kept in `missed`.

        The scheduler hands the call to Lambda and is done, and Lambda repeats it: so both have the same patience, and the
        same place for what neither gets rid of.
        """
        missed = self.missed = sqs.Queue(
            self,
            "Missed",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=self._stage.require_tls,
            retention_period=LONGEST_RETENTION,
        )
        lambda_.CfnEventInvokeConfig(
            self,
            "Repeated",
            function_name=self.function.function_name,
            qualifier="$LATEST",
            maximum_event_age_in_seconds=give_up_after.to_seconds(),
            maximum_retry_attempts=min(attempts - 1, 2),  # the most that Lambda knows
            destination_config={"onFailure": {"destination": missed.queue_arn}},
        )
        self.may("sqs:SendMessage", missed.queue_arn)
        scheduler.Schedule(
            self,
            name,
            schedule=scheduler.ScheduleExpression.rate(period),
            target=schedule_targets.LambdaInvoke(
                self.function,
                input=None if event is None else scheduler.ScheduleTargetInput.from_object(event),
                retry_attempts=attempts - 1,
                max_event_age=give_up_after,
                dead_letter_queue=missed,
            ),
        )

    def hear(self, bus: events.IEventBus, *, source: str, name: str) -> None:
        """Call the function with every event of that source and name, which costs nothing while there is none. What does not
        reach it is kept beside what its schedule has missed, so it has one."""
        if self.missed is None:
            raise ValueError(
                f"{self.node.path}: a function that hears events has a schedule, which finds what was lost"
            )
        events.Rule(
            self,
            name,
            event_bus=bus,
            event_pattern=events.EventPattern(source=[source], detail_type=[name]),
            targets=[
                event_targets.LambdaFunction(
                    self.function,
                    dead_letter_queue=self.missed,
                    retry_attempts=2,
                    max_event_age=Duration.minutes(1),  # by then the schedule has brought it
                )
            ],
        )

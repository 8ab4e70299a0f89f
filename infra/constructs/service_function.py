"""One Lambda function from one folder under functions/: its bundle, its role with nothing but what is granted, its log.

Every grant is a call of `may`, so that a stack reads as the list of what each function is able to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import AssetHashType, Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.bundling import Bundler
from infra.config.stage import Stage
from infra.constructs.work_queue import WorkQueue

_RETENTION = {
    1: logs.RetentionDays.ONE_DAY,
    7: logs.RetentionDays.ONE_WEEK,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
}


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What every construct is given: the stage's values, and how code becomes an archive."""

    stage: Stage
    bundle: Bundler


class ServiceFunction(Construct):
    """`functions/<name>`, called as `functions.<name>.handler.handler`.

    `environment` holds exactly the fields of the function's `settings.py`. `memory_mib` also buys CPU: 1,769 is one core.
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
    ) -> None:
        super().__init__(scope, construct_id)
        stage = deployment.stage
        runtime = stage.function_runtime
        bundle = deployment.bundle(name, runtime)
        self.log_group = logs.LogGroup(
            self, "Log", retention=_RETENTION[stage.log_retention_days], removal_policy=RemovalPolicy.DESTROY
        )
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"functions/{name}",
        )
        self.log_group.grant_write(role)
        self.timeout_seconds = timeout_seconds
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
            environment={
                "POWERTOOLS_SERVICE_NAME": name,
                "POWERTOOLS_METRICS_NAMESPACE": "Headwater",
                **stage.function_environment,
                **environment,
            },
        )

    def may(self, actions: str | list[str], *resources: str, conditions: Mapping[str, object] | None = None) -> None:
        """Allow `actions` on `resources` (ARNs), and nothing else."""
        self.function.add_to_role_policy(
            iam.PolicyStatement(
                actions=[actions] if isinstance(actions, str) else actions,
                resources=list(resources),
                conditions=conditions,
            )
        )

    def consume(self, queue: WorkQueue, *, batch_size: int) -> None:
        """Call the function with up to `batch_size` messages as soon as there are any; failed ones alone come back."""
        if queue.visibility_seconds < 6 * self.timeout_seconds:
            raise ValueError(
                f"{self.node.path}: a message must stay hidden for six time-outs of its function, so that throttled "
                f"batches are not handed out twice (docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html)"
            )
        self.function.add_event_source(
            event_sources.SqsEventSource(
                queue.queue,
                batch_size=batch_size,
                report_batch_item_failures=True,
            )
        )

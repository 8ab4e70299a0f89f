"""Stage 4 · the Fargate task that runs containers/ffmpeg-worker: one per live broadcast, started by RunTask."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.config.stage import Stage
from infra.constructs.container_image import container_image
from infra.constructs.control_plane import ControlPlane
from infra.constructs.service_function import log_retention

CONTAINER = "worker"

# A machine of spare capacity is taken back two minutes after SIGTERM, if `stopTimeout` lets it be that long:
# docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html
STOP_TIMEOUT = Duration.seconds(120)
HAND_OVER_SECONDS = 105  # of these it works on, while a successor is on its way; what it has is stored within ten more


class TranscodeWorker(Construct):
    """The task definition. `TRANSCODE_JOB` comes with each RunTask; everything else is the same for every broadcast.

    The root file system is read-only; the pipes from FFmpeg and its scratch files live in an empty volume at /tmp.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, control_plane: ControlPlane, media: s3.IBucket
    ) -> None:
        super().__init__(scope, construct_id)
        self.family = f"headwater-{stage.name}-worker"
        self._definition = ecs.FargateTaskDefinition(
            self,
            "Task",
            family=self.family,
            cpu=stage.worker.cpu,
            memory_limit_mib=stage.worker.memory_mib,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
            volumes=[ecs.Volume(name="scratch")],
        )
        log_group = logs.LogGroup(self, "Log", retention=log_retention(stage), removal_policy=RemovalPolicy.DESTROY)
        container = self._definition.add_container(
            CONTAINER,
            container_name=CONTAINER,
            image=container_image("ffmpeg-worker", stage.worker.image),
            command=["python", "-m", "ffmpeg_worker"],
            memory_limit_mib=stage.worker.memory_mib,
            readonly_root_filesystem=True,
            stop_timeout=STOP_TIMEOUT,
            logging=ecs.LogDrivers.aws_logs(stream_prefix=CONTAINER, log_group=log_group),
            environment={
                **control_plane.environment,
                "LEASE_TABLE": control_plane.leases.table_name,
                "SEGMENT_TABLE": control_plane.timeline.table_name,
                "MEDIA_BUCKET": media.bucket_name,
                "WORKER_HAND_OVER_SECONDS": str(HAND_OVER_SECONDS),
                "POWERTOOLS_SERVICE_NAME": "ffmpeg-worker",
                "POWERTOOLS_METRICS_NAMESPACE": stage.metrics_namespace,
            },
        )
        container.add_mount_points(ecs.MountPoint(source_volume="scratch", container_path="/tmp", read_only=False))  # noqa: S108
        control_plane.let_commit(self)
        self.may(
            ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"], control_plane.leases.table_arn
        )
        self.may(["dynamodb:PutItem", "dynamodb:Query"], control_plane.timeline.table_arn)
        self.may(["s3:GetObject", "s3:PutObject"], media.arn_for_objects("*"))
        self.may("s3:ListBucket", media.bucket_arn)  # or S3 says 403 of an object that is not there, instead of 404

    @property
    def task_definition_arn(self) -> str:
        return self._definition.task_definition_arn

    @property
    def role_arns(self) -> tuple[str, ...]:
        """The roles that whoever starts the task passes on."""
        execution = self._definition.obtain_execution_role()
        return self._definition.task_role.role_arn, execution.role_arn

    def may(self, actions: str | list[str], *resources: str, conditions: Mapping[str, object] | None = None) -> None:
        """Allow the worker's task `actions` on `resources` (ARNs), and nothing else."""
        self._definition.add_to_task_role_policy(
            iam.PolicyStatement(
                actions=[actions] if isinstance(actions, str) else actions,
                resources=list(resources),
                conditions=conditions,
            )
        )

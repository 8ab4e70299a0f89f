"""Stages 3 and 4 · finds or starts the worker of every broadcast, and makes the recording when it is over."""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from headwater.contracts import STREAM_EVENT_SOURCE
from headwater.domain.broadcast import StreamEventName
from infra.config.stage import Stage
from infra.constructs.service_function import Deployment, ServiceFunction
from infra.constructs.transcode_worker import TranscodeWorker
from infra.constructs.work_queue import WorkQueue
from infra.stacks.data import DataStack
from infra.stacks.ingest import IngestStack
from infra.stacks.network import NetworkStack


class TranscodeStack(Stack):
    """`transcode_dispatch` is woken by pulses; `broadcast_sweep` makes sure that no broadcast is without them."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        deployment: Deployment,
        data: DataStack,
        ingest: IngestStack,
        network: NetworkStack | None,
    ) -> None:
        super().__init__(scope, construct_id)
        stage = deployment.stage
        control_plane = data.control_plane
        self.cluster = ecs.CfnCluster(
            self, "Cluster", cluster_name=stage.cluster_name, capacity_providers=["FARGATE", "FARGATE_SPOT"]
        )
        self._place(stage, ingest, network)
        self.worker = TranscodeWorker(self, "Worker", stage=stage, control_plane=control_plane, media=data.media)
        # A minute of work at most. The dispatcher repeats the request for as long as the recording is pending.
        self.finalise = WorkQueue(self, "Finalise", stage=stage, visibility_seconds=360, attempts=20)

        self.dispatch = ServiceFunction(
            self,
            "Dispatch",
            deployment=deployment,
            name="transcode_dispatch",
            environment={
                **control_plane.environment,
                "LEASE_TABLE": control_plane.leases.table_name,
                "FINALISE_QUEUE_URL": self.finalise.url,
                "ECS_CLUSTER": self.cluster.attr_arn,
                "TRANSCODE_TASK_DEFINITION": self.worker.task_definition_arn,
                "TRANSCODE_SUBNETS": ",".join(self.subnets),
                "TRANSCODE_SUBNET_RANGES": ",".join(self.ranges),
                "TRANSCODE_SECURITY_GROUPS": ",".join(self.security_groups),
                "TRANSCODE_SPOT": "true" if stage.worker.spot else "false",
                "TRANSCODE_PUBLIC_IP": "true" if stage.worker.public_ip else "false",
                "TRANSCODE_CPU": str(stage.worker.cpu),
                "WORKER_START_LIMIT_SECONDS": str(stage.worker.start_limit_seconds),
                "WARM_WORKERS": str(stage.worker.warm_workers),
                "LONGEST_BROADCAST_SECONDS": str(stage.limits.longest_broadcast_seconds),
            },
            timeout_seconds=10,
        )
        self.dispatch.consume(control_plane.pulses, batch_size=10, hastens=False)
        control_plane.let_commit(self.dispatch)
        self.dispatch.may(["dynamodb:GetItem", "dynamodb:UpdateItem"], control_plane.leases.table_arn)
        self.dispatch.may("sqs:SendMessage", self.finalise.arn)
        self._let_run_workers(self.dispatch, stage.cluster_name)

        self.sweep = ServiceFunction(
            self,
            "Sweep",
            deployment=deployment,
            name="broadcast_sweep",
            environment={
                **control_plane.environment,
                "ECS_CLUSTER": self.cluster.attr_arn,
                "LONGEST_BROADCAST_SECONDS": str(stage.limits.longest_broadcast_seconds),
                "WARM_WORKERS": str(stage.worker.warm_workers),
            },
            timeout_seconds=50,
        )
        control_plane.let_commit(self.sweep)
        self._let_stop_workers(self.sweep, stage.cluster_name)
        control_plane.let_find_unsettled(self.sweep)
        # Not repeated: the next minute brings the next sweep.
        self.sweep.run_every(Duration.minutes(1), name="EveryMinute", attempts=1, give_up_after=Duration.minutes(1))

        self.finaliser = ServiceFunction(
            self,
            "Finaliser",
            deployment=deployment,
            name="recording_finaliser",
            environment={
                **control_plane.environment,
                "LEASE_TABLE": control_plane.leases.table_name,
                "SEGMENT_TABLE": control_plane.timeline.table_name,
                "MEDIA_BUCKET": data.media.bucket_name,
            },
            timeout_seconds=60,
            memory_mib=1024,
        )
        self.finaliser.consume(self.finalise, batch_size=1, hastens=False)
        control_plane.let_commit(self.finaliser)
        self.finaliser.may(["dynamodb:GetItem", "dynamodb:UpdateItem"], control_plane.leases.table_arn)
        self.finaliser.may(["dynamodb:Query", "dynamodb:BatchWriteItem"], control_plane.timeline.table_arn)
        self.finaliser.may(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], data.media.arn_for_objects("*"))
        self.finaliser.may("s3:ListBucket", data.media.bucket_arn)

        self._purge_what_was_deleted(deployment, data)

        CfnOutput(self, "ClusterArn", value=self.cluster.attr_arn)
        CfnOutput(self, "WorkerTaskDefinition", value=self.worker.task_definition_arn)
        CfnOutput(self, "SweepFunction", value=self.sweep.function.function_name)

    def _purge_what_was_deleted(self, deployment: Deployment, data: DataStack) -> None:
        control_plane = data.control_plane
        # A recording of a day is some hundred thousand objects: what one call cannot remove, the next one does. The delay
        # lets a worker that was just stopped put down what it has in its hands.
        self.purge_queue = WorkQueue(
            self, "PurgeQueue", stage=deployment.stage, visibility_seconds=720, attempts=1000, delay_seconds=15
        )
        self.purge = ServiceFunction(
            self,
            "Purge",
            deployment=deployment,
            name="stream_purge",
            environment={
                "STREAM_TABLE": control_plane.streams.table_name,
                "LEASE_TABLE": control_plane.leases.table_name,
                "SEGMENT_TABLE": control_plane.timeline.table_name,
                "ROOM_TABLE": data.rooms.table_name,
                "MEDIA_BUCKET": data.media.bucket_name,
            },
            timeout_seconds=120,
        )
        self.purge.consume(self.purge_queue, batch_size=1)
        self.purge.may(["dynamodb:GetItem", "dynamodb:DeleteItem"], control_plane.streams.table_arn)
        self.purge.may(
            ["dynamodb:Query", "dynamodb:BatchWriteItem"], control_plane.timeline.table_arn, data.rooms.table_arn
        )
        self.purge.may("s3:DeleteObject", data.media.arn_for_objects("*"))
        self.purge.may("s3:ListBucket", data.media.bucket_arn)
        control_plane.forward(
            STREAM_EVENT_SOURCE,
            self.purge_queue,
            StreamEventName.DELETED,
            StreamEventName.RECORDING_DELETED,
            rule=(self, "Deleted"),
        )

    def _place(self, stage: Stage, ingest: IngestStack, network: NetworkStack | None) -> None:
        """Where workers run, and what they may reach: everything from here, nobody comes to them."""
        self.subnets, self.security_groups = stage.worker.subnets, stage.worker.security_groups
        self.ranges: tuple[str, ...] = ()
        if network is None:
            return
        if not self.subnets:
            self.subnets = tuple(each.subnet_id for each in network.public_subnets)
            self.ranges = tuple(network.public_ranges)
        if self.security_groups:
            return
        group = ec2.SecurityGroup(
            self,
            "Workers",
            vpc=network.vpc,
            description="Workers: they read sources at ingest nodes and speak to AWS; nobody connects to them",
        )
        self.security_groups = (group.security_group_id,)
        ingest.let_pull(self, group)

    def _let_run_workers(self, dispatch: ServiceFunction, cluster_name: str) -> None:
        cluster = {"ArnEquals": {"ecs:cluster": self.cluster.attr_arn}}
        definitions = self.format_arn(
            service="ecs", resource="task-definition", resource_name=f"{self.worker.family}:*"
        )
        dispatch.may("ecs:RunTask", definitions, conditions=cluster)
        self._let_stop_workers(dispatch, cluster_name)
        dispatch.may(
            "iam:PassRole",
            *self.worker.role_arns,
            conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        )

    def _let_stop_workers(self, function: ServiceFunction, cluster_name: str) -> None:
        cluster = {"ArnEquals": {"ecs:cluster": self.cluster.attr_arn}}
        tasks = self.format_arn(service="ecs", resource="task", resource_name=f"{cluster_name}/*")
        function.may(["ecs:StopTask", "ecs:DescribeTasks"], tasks, conditions=cluster)
        # ListTasks knows no resource but a container instance, which Fargate does not have; the condition narrows it.
        function.may("ecs:ListTasks", "*", conditions=cluster)

"""Stage 1 · containers/rtmp-ingest on demand: no service and no load balancer, but a function that starts and stops its tasks.

A streamer's wish is an event on the bus, so nothing is polled; once a minute the function looks by itself, for what was
lost and for nodes that nobody wants any more. Encoders are led to a node's own public address, so its port is open to
everybody: what may be published is decided by the key, as behind a load balancer.
"""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from headwater.contracts import INGEST_EVENT_SOURCE, INGEST_WANTED
from infra.config.ingest import IngestService
from infra.config.stage import Stage
from infra.constructs.control_plane import ControlPlane
from infra.constructs.ingest_task import RTMP, IngestTask
from infra.constructs.service_function import Deployment, ServiceFunction
from infra.stacks.network import NetworkStack


class OnDemandNodes(IngestTask):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        deployment: Deployment,
        service: IngestService,
        network: NetworkStack | None,
        control_plane: ControlPlane,
        hooks_url: str,
        announce_url: str,
        hook_secret: secretsmanager.ISecret,
    ) -> None:
        stage = deployment.stage
        super().__init__(
            scope,
            construct_id,
            stage=stage,
            service=service,
            hooks_url=hooks_url,
            hook_secret=hook_secret,
            environment={"ANNOUNCE_URL": announce_url},
        )
        self.subnets, self.security_groups = service.subnets, service.security_groups
        self.group: ec2.SecurityGroup | None = None
        if network is not None:
            self.subnets = self.subnets or tuple(each.subnet_id for each in network.public_subnets)
            if not self.security_groups:
                self.group = self._let_encoders_in(network)
                self.security_groups = (self.group.security_group_id,)
        self._start_and_stop(deployment, control_plane)

    def environment(self, stage: Stage) -> dict[str, str]:
        """For who takes wishes."""
        return {
            "INGEST_NODES_AT_MOST": str(self._service.max_tasks),
            "INGEST_PUBLISHERS_PER_NODE": str(self._service.publishers_per_task),
            "INGEST_WISH_SECONDS": str(self._service.wish_seconds),
            "BROADCASTS_PER_USER": str(stage.limits.broadcasts_per_user),
        }

    def _let_encoders_in(self, network: NetworkStack) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self, "Nodes", vpc=network.vpc, description="Ingest nodes: encoders from anywhere, workers pull"
        )
        group.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(RTMP), "RTMP")
        return group

    def _start_and_stop(self, deployment: Deployment, control_plane: ControlPlane) -> None:
        self.starter = ServiceFunction(
            self,
            "Starter",
            deployment=deployment,
            name="ingest_nodes",
            environment={
                **self.environment(deployment.stage),
                "STREAM_TABLE": control_plane.streams.table_name,
                "INGEST_CLUSTER": self.cluster.attr_arn,
                "INGEST_TASK_DEFINITION": self.definition.task_definition_arn,
                "INGEST_SUBNETS": ",".join(self.subnets),
                "INGEST_SECURITY_GROUPS": ",".join(self.security_groups),
            },
            timeout_seconds=50,
        )
        self.starter.may(["dynamodb:GetItem", "dynamodb:PutItem"], control_plane.streams.table_arn)
        control_plane.let_find_unsettled(self.starter)
        self._let_run_nodes(self.starter)
        # Not repeated: the next minute brings the next look.
        self.starter.run_every(Duration.minutes(1), name="EveryMinute", attempts=1, give_up_after=Duration.minutes(1))
        self.starter.hear(control_plane.bus, source=INGEST_EVENT_SOURCE, name=INGEST_WANTED)

    def _let_run_nodes(self, starter: ServiceFunction) -> None:
        cluster = {"ArnEquals": {"ecs:cluster": self.cluster.attr_arn}}
        stack = Stack.of(self)
        definitions = stack.format_arn(
            service="ecs", resource="task-definition", resource_name=f"{self.cluster_name}:*"
        )
        tasks = stack.format_arn(service="ecs", resource="task", resource_name=f"{self.cluster_name}/*")
        starter.may("ecs:RunTask", definitions, conditions=cluster)
        starter.may(["ecs:StopTask", "ecs:DescribeTasks"], tasks, conditions=cluster)
        # ListTasks knows no resource but a container instance, which Fargate does not have; the condition narrows it.
        starter.may("ecs:ListTasks", "*", conditions=cluster)
        starter.may(
            "iam:PassRole",
            self.definition.task_role.role_arn,
            self.definition.obtain_execution_role().role_arn,
            conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        )

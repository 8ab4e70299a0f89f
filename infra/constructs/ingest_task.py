"""Stage 1 · the ECS cluster and the task of containers/rtmp-ingest: the same node, whoever starts it."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.config.ingest import IngestService
from infra.config.network import Network
from infra.config.stage import Stage
from infra.constructs.container_image import container_image
from infra.constructs.service_function import log_retention

CONTAINER = "node"
RTMP, PULL = 1935, 1936
STOP_TIMEOUT = Duration.seconds(120)  # the most that Fargate knows
DRAIN_SECONDS = 110
OWN_MIB = 384  # nginx and Python, beside the sources' buffers
# Of whoever may be in a VPC that we have not made; the security group lets workers in and nobody else.
PRIVATE_NETWORKS = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10"


class IngestTask(Construct):
    """`environment`: what depends on how nodes are started."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        service: IngestService,
        hooks_url: str,
        hook_secret: secretsmanager.ISecret,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self.cluster_name = f"{stage.cluster_name}-ingest"
        self._stage, self._service = stage, service
        self.cluster = ecs.CfnCluster(self, "Cluster", cluster_name=self.cluster_name)
        self.definition = self._define_task(hooks_url, hook_secret, environment)

    def tasks_may(self, *actions: str) -> None:
        """Allow nodes `actions` on the cluster's tasks, and nothing else."""
        tasks = Stack.of(self).format_arn(service="ecs", resource="task", resource_name=f"{self.cluster_name}/*")
        self.definition.add_to_task_role_policy(iam.PolicyStatement(actions=list(actions), resources=[tasks]))

    def _define_task(
        self, hooks_url: str, hook_secret: secretsmanager.ISecret, environment: Mapping[str, str]
    ) -> ecs.FargateTaskDefinition:
        stage, service = self._stage, self._service
        definition = ecs.FargateTaskDefinition(
            self,
            "Task",
            family=self.cluster_name,
            cpu=service.cpu,
            memory_limit_mib=service.memory_mib,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
            # Hooks that could not be delivered yet, and nginx's configuration: the root file system is read-only.
            volumes=[ecs.Volume(name="state")],
        )
        log_group = logs.LogGroup(self, "Log", retention=log_retention(stage), removal_policy=RemovalPolicy.DESTROY)
        own = stage.network.cidr if isinstance(stage.network, Network) else PRIVATE_NETWORKS
        container = definition.add_container(
            CONTAINER,
            container_name=CONTAINER,
            image=container_image("rtmp-ingest", service.image),
            command=["python3", "-m", "rtmp_ingest"],
            memory_limit_mib=service.memory_mib,
            readonly_root_filesystem=True,
            stop_timeout=STOP_TIMEOUT,
            logging=ecs.LogDrivers.aws_logs(stream_prefix=CONTAINER, log_group=log_group),
            health_check=ecs.HealthCheck(
                command=["CMD", "python3", "-m", "rtmp_ingest.healthy"],
                interval=Duration.seconds(10),
                timeout=Duration.seconds(5),
                retries=3,
                start_period=Duration.seconds(20),
            ),
            port_mappings=[ecs.PortMapping(container_port=RTMP), ecs.PortMapping(container_port=PULL)],
            environment={
                "RTMP_LISTEN": f"0.0.0.0:{RTMP}",
                "PULL_LISTEN": f"0.0.0.0:{PULL}",
                "PULL_ALLOW": own,
                "HOOKS_URL": hooks_url,
                "STATE_DIR": "/var/lib/headwater",
                "SOURCE_BUFFERS_BYTES": str((service.memory_mib - OWN_MIB) * 1024 * 1024),
                "DRAIN_SECONDS": str(DRAIN_SECONDS),
                **environment,
                **service.node_environment,
            },
            secrets={"HOOK_SIGNING_KEY": ecs.Secret.from_secrets_manager(hook_secret, "secret")},
        )
        container.add_mount_points(
            ecs.MountPoint(source_volume="state", container_path="/var/lib/headwater", read_only=False)
        )
        return definition

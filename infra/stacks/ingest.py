"""Stages 1 and 2 · the ingest nodes, and what answers their hooks: may this key publish?"""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.constructs.gateway import HttpGateway
from infra.constructs.ingest_nodes import IngestNodes
from infra.constructs.ingest_on_demand import OnDemandNodes
from infra.constructs.ingest_task import PULL
from infra.constructs.service_function import Deployment, ServiceFunction
from infra.stacks.data import DataStack
from infra.stacks.network import NetworkStack

HOOKS_PATH = "/ingest/hooks/nginx-rtmp"
NODES_PATH = "/ingest/nodes"


class IngestStack(Stack):
    """`ingest_hooks` decides from DynamoDB alone. Its API is its own: nodes have to know its address, and the public API has
    to know theirs."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        deployment: Deployment,
        data: DataStack,
        network: NetworkStack | None,
    ) -> None:
        super().__init__(scope, construct_id)
        stage = deployment.stage
        self._answer_hooks(deployment, data)
        self._rotate_hook_secret(deployment, data)
        self.nodes: IngestNodes | OnDemandNodes | None = None
        self.starter: ServiceFunction | None = None
        """What starts nodes, where they run on demand."""
        self.api_environment: dict[str, str] = {}
        """What the API is told of where to publish."""
        base = self.gateway.address
        if stage.hooks_base_url is not None:
            base = stage.hooks_base_url.replace("{api_id}", self.gateway.api.api_id)
        if stage.ingest is not None and stage.ingest.on_demand:
            self.gateway.route(NODES_PATH, apigateway.HttpMethod.POST, self.hooks)
            self.nodes = OnDemandNodes(
                self,
                "Nodes",
                deployment=deployment,
                service=stage.ingest,
                network=network,
                control_plane=data.control_plane,
                hooks_url=f"{base}{HOOKS_PATH}",
                announce_url=f"{base}{NODES_PATH}",
                hook_secret=data.hook_secret,
            )
            self.starter = self.nodes.starter
            self.api_environment = self.nodes.environment(stage)
            return
        if stage.ingest is not None and network is not None:
            self.nodes = IngestNodes(
                self,
                "Nodes",
                stage=stage,
                service=stage.ingest,
                network=network,
                hooks_url=f"{base}{HOOKS_PATH}",
                hook_secret=data.hook_secret,
            )
            self._replace_nodes_after_rotation(self.nodes)
        if stage.urls is not None:
            self.api_environment = {"RTMP_URLS": ",".join(stage.urls.rtmp)}
        elif isinstance(self.nodes, IngestNodes):
            self.api_environment = {"RTMP_URLS": ",".join(self.nodes.addresses)}

    def let_pull(self, scope: Construct, workers: ec2.SecurityGroup) -> None:
        """Workers read sources at the nodes. The rule is made in `scope`, the later stack, which knows both groups."""
        if self.nodes is not None and self.nodes.group is not None:
            ec2.CfnSecurityGroupIngress(
                scope,
                "WorkersPull",
                description="workers read sources",
                group_id=self.nodes.group.security_group_id,
                source_security_group_id=workers.security_group_id,
                ip_protocol="tcp",
                from_port=PULL,
                to_port=PULL,
            )

    def _answer_hooks(self, deployment: Deployment, data: DataStack) -> None:
        stage = deployment.stage
        self.hooks = ServiceFunction(
            self,
            "Hooks",
            deployment=deployment,
            name="ingest_hooks",
            environment={
                **data.control_plane.environment,
                "STREAM_KEY_SECRET": data.stream_key_secret.secret_arn,
                "HOOK_SECRET": data.hook_secret.secret_arn,
                "BROADCASTS_PER_USER": str(stage.limits.broadcasts_per_user),
                "LONGEST_BROADCAST_SECONDS": str(stage.limits.longest_broadcast_seconds),
            },
            timeout_seconds=8,  # nginx-rtmp gives up at 10
            memory_mib=1024,  # a publisher waits for a cold start
        )
        data.control_plane.let_commit(self.hooks)
        self.hooks.may("secretsmanager:GetSecretValue", data.stream_key_secret.secret_arn, data.hook_secret.secret_arn)
        self.gateway = HttpGateway(
            self,
            "HooksApi",
            stage=stage,
            description="Headwater ingest hooks: signed by the nodes",
            default=stage.api.throttles.hooks,
        )
        self.gateway.route(HOOKS_PATH, apigateway.HttpMethod.POST, self.hooks)
        CfnOutput(self, "HooksApiId", value=self.gateway.api.api_id)

    def _rotate_hook_secret(self, deployment: Deployment, data: DataStack) -> None:
        self.hook_secrets = ServiceFunction(
            self,
            "HookSecrets",
            deployment=deployment,
            name="hook_secret",
            environment={"HOOK_SECRET": data.hook_secret.secret_arn},
            timeout_seconds=150,  # it waits until everybody has seen what comes next
        )
        self.hook_secrets.may(
            ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"], data.hook_secret.secret_arn
        )
        self.hook_secrets.run_every(
            Duration.days(30),
            name="EveryMonth",
            attempts=3,
            give_up_after=Duration.hours(6),
            event={"action": "rotate"},
        )
        CfnOutput(self, "HookSecretFunction", value=self.hook_secrets.function.function_name)

    def _replace_nodes_after_rotation(self, nodes: IngestNodes) -> None:
        """They have the secret that they were started with."""
        self.hook_secrets.function.add_environment("INGEST_CLUSTER", nodes.cluster_name)
        self.hook_secrets.function.add_environment("INGEST_SERVICE", nodes.service.attr_name)
        self.hook_secrets.may("ecs:UpdateService", nodes.service.ref)

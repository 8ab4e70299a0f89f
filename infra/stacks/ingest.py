"""Stages 1 and 2 · the ingest nodes, and what answers their hooks: may this key publish?"""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.constructs.gateway import HttpGateway
from infra.constructs.ingest_nodes import PULL, IngestNodes
from infra.constructs.service_function import Deployment, ServiceFunction
from infra.stacks.data import DataStack
from infra.stacks.network import NetworkStack

HOOKS_PATH = "/ingest/hooks/nginx-rtmp"


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
        self.nodes: IngestNodes | None = None
        if stage.ingest is not None and network is not None:
            self.nodes = IngestNodes(
                self,
                "Nodes",
                stage=stage,
                service=stage.ingest,
                network=network,
                hooks_url=f"{self.gateway.address}{HOOKS_PATH}",
                hook_secret=data.hook_secret,
            )
        self.addresses: tuple[str, ...] = ()
        if stage.urls is not None:
            self.addresses = stage.urls.rtmp
        elif self.nodes is not None:
            self.addresses = self.nodes.addresses

    def let_pull(self, scope: Construct, workers: ec2.SecurityGroup) -> None:
        """Workers read sources at the nodes. The rule is made in `scope`, the later stack, which knows both groups."""
        if self.nodes is not None:
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

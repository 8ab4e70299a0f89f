"""Stage 2 · answers the hooks of ingest nodes: may this key publish? The nodes themselves join here."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from infra.constructs.service_function import Deployment, ServiceFunction
from infra.stacks.data import DataStack


class IngestStack(Stack):
    """`ingest_hooks` decides from DynamoDB alone; its route is part of the HTTP API (stacks/api.py)."""

    def __init__(self, scope: Construct, construct_id: str, *, deployment: Deployment, data: DataStack) -> None:
        super().__init__(scope, construct_id)
        urls = deployment.stage.urls
        self.addresses = urls.rtmp if urls is not None else ()
        self.hooks = ServiceFunction(
            self,
            "Hooks",
            deployment=deployment,
            name="ingest_hooks",
            environment={
                **data.control_plane.environment,
                "STREAM_KEY_SECRET": data.stream_key_secret.secret_arn,
                "HOOK_SECRET": data.hook_secret.secret_arn,
                "BROADCASTS_PER_USER": str(deployment.stage.limits.broadcasts_per_user),
                "LONGEST_BROADCAST_SECONDS": str(deployment.stage.limits.longest_broadcast_seconds),
            },
            timeout_seconds=8,  # nginx-rtmp gives up at 10
            memory_mib=1024,  # a publisher waits for a cold start
        )
        data.control_plane.let_commit(self.hooks)
        self.hooks.may("secretsmanager:GetSecretValue", data.stream_key_secret.secret_arn, data.hook_secret.secret_arn)

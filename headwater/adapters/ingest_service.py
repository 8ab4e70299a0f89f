"""Stage 1 · the ECS service that keeps ingest nodes running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.adapters import aws

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient


class IngestService:
    def __init__(self, cluster: str, service: str) -> None:
        self._cluster, self._service = cluster, service

    def replace_nodes(self) -> None:
        """Start every node anew, as a deployment does: a node that has publishers lives on until they have gone
        (rtmp_ingest/task_protection.py), and takes no new ones."""
        ecs: ECSClient = aws.client("ecs")
        ecs.update_service(cluster=self._cluster, service=self._service, forceNewDeployment=True)

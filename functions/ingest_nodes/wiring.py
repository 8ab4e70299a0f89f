"""Stage 1 · joins the starter of ingest nodes to DynamoDB and ECS, at the first call."""

from __future__ import annotations

import functools

from functions.ingest_nodes.settings import Settings
from functions.ingest_nodes.settle_nodes import SettleNodes
from headwater.adapters.ingest_fleet_store import IngestFleetStore
from headwater.adapters.ingest_tasks import IngestTasks
from headwater.adapters.stream_controls import StreamControls
from headwater.broadcasts import unix_ms
from headwater.settings import comma_separated, load_settings


@functools.cache
def settle_nodes() -> SettleNodes:
    settings = load_settings(Settings)
    tasks = IngestTasks(
        settings.ingest_cluster,
        settings.ingest_task_definition,
        comma_separated(settings.ingest_subnets),
        comma_separated(settings.ingest_security_groups),
    )
    streams = StreamControls(settings.stream_table)
    return SettleNodes(IngestFleetStore(settings.stream_table), tasks, streams, settings.limits, unix_ms)

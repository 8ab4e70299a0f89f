"""Stage 3 · joins the dispatcher to DynamoDB, SQS, EventBridge and ECS, at the first call."""

from __future__ import annotations

import functools

from functions.transcode_dispatch.look_at_broadcast import LookAtBroadcast
from functions.transcode_dispatch.settings import Settings
from functions.transcode_dispatch.warm_workers import WarmWorkers
from headwater.adapters.leases import Leases
from headwater.adapters.outbox import Outbox
from headwater.adapters.queues import MessageQueue
from headwater.adapters.stream_controls import StreamControls
from headwater.adapters.transcode_tasks import TranscodeTasks
from headwater.adapters.warm_pools import WarmPools
from headwater.broadcasts import Broadcasts, unix_ms
from headwater.domain.warm_pool import PoolNeeds
from headwater.settings import comma_separated, load_settings


@functools.cache
def look_at_broadcast() -> LookAtBroadcast:
    settings = load_settings(Settings)
    return LookAtBroadcast(
        broadcasts=_broadcasts(settings),
        leases=Leases(settings.lease_table),
        tasks=_tasks(settings),
        pulses=MessageQueue(settings.pulse_queue_url),
        finaliser=MessageQueue(settings.finalise_queue_url),
        clock=unix_ms,
        start_limit_ms=settings.worker_start_limit_seconds * 1000,
        waiting=warm_workers() if settings.warm_workers else None,
    )


@functools.cache
def warm_workers() -> WarmWorkers:
    settings = load_settings(Settings)
    return WarmWorkers(
        WarmPools(settings.lease_table),
        _tasks(settings),
        _broadcasts(settings),
        MessageQueue(settings.pulse_queue_url),
        unix_ms,
        PoolNeeds(
            count=settings.warm_workers,
            definition=settings.transcode_task_definition,
            cpu=settings.transcode_cpu,
            start_limit_ms=settings.worker_start_limit_seconds * 1000,
        ),
        settings.longest_broadcast_seconds * 1000,
    )


def _broadcasts(settings: Settings) -> Broadcasts:
    outbox = Outbox(settings.event_bus, settings.pulse_queue_url)
    return Broadcasts(StreamControls(settings.stream_table), outbox)


def _tasks(settings: Settings) -> TranscodeTasks:
    return TranscodeTasks(
        settings.ecs_cluster,
        settings.transcode_task_definition,
        comma_separated(settings.transcode_subnets),
        comma_separated(settings.transcode_security_groups),
        public_ip=settings.transcode_public_ip,
        spot=settings.transcode_spot,
        ranges=comma_separated(settings.transcode_subnet_ranges),
    )

"""Stage 3 · joins the dispatcher to DynamoDB, SQS, EventBridge and ECS, at the first call."""

from __future__ import annotations

import functools

from functions.transcode_dispatch.look_at_broadcast import LookAtBroadcast
from functions.transcode_dispatch.settings import Settings
from headwater.adapters.leases import Leases
from headwater.adapters.outbox import Outbox
from headwater.adapters.queues import MessageQueue
from headwater.adapters.stream_controls import StreamControls
from headwater.adapters.transcode_tasks import TranscodeTasks
from headwater.broadcasts import Broadcasts, unix_ms
from headwater.settings import comma_separated, load_settings


@functools.cache
def look_at_broadcast() -> LookAtBroadcast:
    settings = load_settings(Settings)
    outbox = Outbox(settings.event_bus, settings.pulse_queue_url)
    return LookAtBroadcast(
        broadcasts=Broadcasts(StreamControls(settings.stream_table), outbox),
        leases=Leases(settings.lease_table),
        tasks=TranscodeTasks(
            settings.ecs_cluster,
            settings.transcode_task_definition,
            comma_separated(settings.transcode_subnets),
            comma_separated(settings.transcode_security_groups),
            public_ip=settings.transcode_public_ip,
            spot=settings.transcode_spot,
        ),
        pulses=MessageQueue(settings.pulse_queue_url),
        finaliser=MessageQueue(settings.finalise_queue_url),
        clock=unix_ms,
        start_limit_ms=settings.worker_start_limit_seconds * 1000,
    )

"""Stage 3 · joins the sweep to DynamoDB, SQS, EventBridge and ECS, at the first call."""

from __future__ import annotations

import functools

from functions.broadcast_sweep.nudge_pool import NudgePool
from functions.broadcast_sweep.settings import Settings
from functions.broadcast_sweep.stop_orphans import StopOrphans
from functions.broadcast_sweep.sweep_broadcasts import SweepBroadcasts
from headwater.adapters.outbox import Outbox
from headwater.adapters.queues import MessageQueue
from headwater.adapters.stream_controls import StreamControls
from headwater.adapters.transcode_tasks import TranscodeTasks
from headwater.broadcasts import Broadcasts, unix_ms
from headwater.settings import load_settings


@functools.cache
def sweep_broadcasts() -> SweepBroadcasts:
    settings = load_settings(Settings)
    controls = StreamControls(settings.stream_table)
    outbox = Outbox(settings.event_bus, settings.pulse_queue_url)
    return SweepBroadcasts(Broadcasts(controls, outbox), controls, outbox, unix_ms)


@functools.cache
def stop_orphans() -> StopOrphans:
    settings = load_settings(Settings)
    tasks = TranscodeTasks(settings.ecs_cluster, task_definition="")
    return StopOrphans(StreamControls(settings.stream_table), tasks, unix_ms, settings.longest_broadcast_seconds * 1000)


@functools.cache
def nudge_pool() -> NudgePool:
    settings = load_settings(Settings)
    tasks = TranscodeTasks(settings.ecs_cluster, task_definition="")
    return NudgePool(tasks, MessageQueue(settings.pulse_queue_url), settings.warm_workers)

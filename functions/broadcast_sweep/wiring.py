"""Stage 3 · joins the sweep to DynamoDB, SQS and EventBridge, at the first call."""

from __future__ import annotations

import functools

from functions.broadcast_sweep.settings import Settings
from functions.broadcast_sweep.sweep_broadcasts import SweepBroadcasts
from headwater.adapters.outbox import Outbox
from headwater.adapters.stream_controls import StreamControls
from headwater.broadcasts import Broadcasts, unix_ms
from headwater.settings import load_settings


@functools.cache
def sweep_broadcasts() -> SweepBroadcasts:
    settings = load_settings(Settings)
    controls = StreamControls(settings.stream_table)
    outbox = Outbox(settings.event_bus, settings.pulse_queue_url)
    return SweepBroadcasts(Broadcasts(controls, outbox), controls, outbox, unix_ms)

"""Stage 4b · joins the finaliser to DynamoDB, EventBridge, SQS and S3, at the first message."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from functions.recording_finaliser.settings import RecordingFinaliserSettings
from headwater.adapters.bucket import Bucket
from headwater.adapters.leases import Leases
from headwater.adapters.outbox import Outbox
from headwater.adapters.stream_controls import StreamControls
from headwater.adapters.timelines import Timelines
from headwater.broadcasts import Broadcasts
from headwater.settings import load_settings


@dataclass(frozen=True, slots=True)
class Parts:
    streams: Broadcasts
    leases: Leases
    timelines: Timelines
    objects: Bucket


@functools.cache
def parts() -> Parts:
    settings = load_settings(RecordingFinaliserSettings)
    outbox = Outbox(settings.event_bus, settings.pulse_queue_url)
    return Parts(
        streams=Broadcasts(StreamControls(settings.stream_table), outbox),
        leases=Leases(settings.lease_table),
        timelines=Timelines(settings.segment_table, settings.lease_table),
        objects=Bucket(settings.media_bucket),
    )

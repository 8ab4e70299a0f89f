"""Stage 5 · joins the purge to DynamoDB and S3, at the first message."""

from __future__ import annotations

import functools

from functions.stream_purge.purge import Purge
from functions.stream_purge.settings import StreamPurgeSettings
from headwater.adapters.bucket import Bucket
from headwater.adapters.room_items import RoomPartitions
from headwater.adapters.stream_controls import StreamControls
from headwater.adapters.timelines import Timelines
from headwater.settings import load_settings


@functools.cache
def purge() -> Purge:
    settings = load_settings(StreamPurgeSettings)
    return Purge(
        StreamControls(settings.stream_table),
        Timelines(settings.segment_table, settings.lease_table),
        Bucket(settings.media_bucket),
        RoomPartitions(settings.room_table),
    )

"""Stage 4 · joins the worker to DynamoDB, S3, SQS and EventBridge: the only place here that names them."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ffmpeg_worker.healthy import note_look
from ffmpeg_worker.lease_keeper import LeaseKeeper
from ffmpeg_worker.live_playlists import LivePlaylists
from ffmpeg_worker.settings import Settings
from ffmpeg_worker.timeline_writer import TimelineWriter
from ffmpeg_worker.uploader import Uploader
from ffmpeg_worker.waiting import Waiting
from ffmpeg_worker.worker import Worker
from headwater.adapters.bucket import Bucket
from headwater.adapters.leases import Leases
from headwater.adapters.outbox import Outbox
from headwater.adapters.stream_controls import StreamControls
from headwater.adapters.timelines import Timelines
from headwater.adapters.warm_pools import WarmPools
from headwater.broadcasts import Broadcasts
from headwater.contracts import TranscodeJob, decode
from headwater.domain.ids import BroadcastId, StreamId, WorkerId, is_id, new_id
from headwater.domain.lease import Fence
from headwater.errors import DependencyUnavailable
from headwater.media.timeline import LIVE_WINDOW_SEGMENTS
from headwater.observability import logger
from headwater.settings import SettingsError, load_settings

_FFMPEG_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Stores:
    """What a worker speaks to. Nothing is connected before its first use."""

    settings: Settings
    bucket: Bucket
    outbox: Outbox
    controls: StreamControls
    leases: Leases
    timelines: Timelines

    def note_look(self) -> None:
        if self.settings.health_file:
            note_look(self.settings.health_file)

    def warm_up(self) -> None:
        """Do now what would take its time when viewers wait: connect, and have FFmpeg read from the disk."""
        with contextlib.suppress(DependencyUnavailable):
            nobody, nothing = StreamId(new_id()), BroadcastId(new_id())
            self.controls.load(nobody)
            self.timelines.load_tail(nobody, nothing, 1)
            self.bucket.head(f"{nobody}/{nothing}")
            self.outbox.connect()
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(["ffmpeg", "-version"], capture_output=True, check=False, timeout=_FFMPEG_SECONDS)


def open_stores(environ: Mapping[str, str] | None = None) -> Stores:
    """Those that the environment names. Raises SettingsError."""
    settings = load_settings(Settings, environ)
    if bool(settings.transcode_job) == bool(settings.warm_worker):
        raise SettingsError("ffmpeg_worker: one of TRANSCODE_JOB and WARM_WORKER has to be set")
    return Stores(
        settings,
        Bucket(settings.media_bucket),
        Outbox(settings.event_bus, settings.pulse_queue_url),
        StreamControls(settings.stream_table),
        Leases(settings.lease_table),
        Timelines(settings.segment_table, settings.lease_table),
    )


def waiting(stores: Stores) -> Waiting | None:
    """What the worker does before it has a job; None when it was started with one. Raises SettingsError."""
    settings = stores.settings
    if not settings.warm_worker:
        return None
    if not is_id(settings.warm_worker):
        raise SettingsError("ffmpeg_worker: WARM_WORKER is not an id")
    logger().append_keys(warm_worker=settings.warm_worker)
    return Waiting(WarmPools(settings.lease_table), WorkerId(settings.warm_worker), stores.note_look)


def worker(stores: Stores, job: TranscodeJob | None = None) -> Worker:
    """The worker of `job`, or of the one in the environment. Raises msgspec's errors when that is malformed."""
    settings = stores.settings
    job = job or decode(settings.transcode_job, TranscodeJob)
    logger().append_keys(stream_id=job.stream_id, broadcast_id=job.broadcast_id, generation=job.generation)
    fence = Fence(job.broadcast_id, job.generation, WorkerId(new_id()))
    made: list[Worker] = []
    lease = LeaseKeeper(stores.leases, fence, on_lost=lambda: made[0].wake())

    def open_sink(on_segment: Callable[[int], None]) -> TimelineWriter:
        tail = stores.timelines.load_tail(job.stream_id, job.broadcast_id, LIVE_WINDOW_SEGMENTS)
        return TimelineWriter(
            tail,
            fence,
            stores.timelines,
            Uploader(stores.bucket, lease),
            LivePlaylists(stores.bucket, lease),
            lease,
            on_segment,
        )

    made.append(
        Worker(
            job,
            Broadcasts(stores.controls, stores.outbox),
            stores.outbox,
            lease,
            open_sink,
            settings.worker_linger_seconds,
            settings.worker_hand_over_seconds,
            stores.note_look,
        )
    )
    return made[0]

"""Stage 4 · joins the worker to DynamoDB, S3, SQS and EventBridge: the only place here that names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ffmpeg_worker.healthy import note_look
from ffmpeg_worker.lease_keeper import LeaseKeeper
from ffmpeg_worker.live_playlists import LivePlaylists
from ffmpeg_worker.settings import Settings
from ffmpeg_worker.timeline_writer import TimelineWriter
from ffmpeg_worker.uploader import Uploader
from ffmpeg_worker.worker import Worker
from headwater.contracts import TranscodeJob, decode
from headwater.domain.ids import WorkerId, new_id
from headwater.domain.lease import Fence
from headwater.media.timeline import LIVE_WINDOW_SEGMENTS
from headwater.observability import logger
from headwater.settings import load_settings


def worker(environ: Mapping[str, str] | None = None) -> Worker:
    """The worker that the environment describes. Raises SettingsError, or msgspec's errors for a malformed job."""
    from headwater.adapters.bucket import Bucket
    from headwater.adapters.leases import Leases
    from headwater.adapters.outbox import Outbox
    from headwater.adapters.stream_controls import StreamControls
    from headwater.adapters.timelines import Timelines
    from headwater.broadcasts import Broadcasts

    settings = load_settings(Settings, environ)
    job = decode(settings.transcode_job, TranscodeJob)
    logger().append_keys(stream_id=job.stream_id, broadcast_id=job.broadcast_id, generation=job.generation)
    store = Bucket(settings.media_bucket)
    outbox = Outbox(settings.event_bus, settings.pulse_queue_url)
    fence = Fence(job.broadcast_id, job.generation, WorkerId(new_id()))
    made: list[Worker] = []
    lease = LeaseKeeper(Leases(settings.lease_table), fence, on_lost=lambda: made[0].wake())

    def open_sink(on_segment: Callable[[int], None]) -> TimelineWriter:
        timelines = Timelines(settings.segment_table, settings.lease_table)
        tail = timelines.load_tail(job.stream_id, job.broadcast_id, LIVE_WINDOW_SEGMENTS)
        return TimelineWriter(
            tail,
            fence,
            timelines,
            Uploader(store, lease),
            LivePlaylists(store, lease),
            lease,
            on_segment,
        )

    made.append(
        Worker(
            job,
            Broadcasts(StreamControls(settings.stream_table), outbox),
            outbox,
            lease,
            open_sink,
            settings.worker_linger_seconds,
            lambda: note_look(settings.health_file) if settings.health_file else None,
        )
    )
    return made[0]

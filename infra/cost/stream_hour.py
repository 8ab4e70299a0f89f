"""What a broadcast costs while it is on the air: an hour of the full ladder, delivery to viewers aside.

How often everything is done follows from the product's own constants; tests/unit/test_cost_of_a_broadcast.py runs the
product and counts. How large what is stored is, and how long a function runs, was measured once and is said here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ffmpeg_worker.ffmpeg_command import THUMBNAIL_SECONDS
from headwater.domain.broadcast_rules import PULSE_INTERVAL_MS
from headwater.domain.ladder import AUDIO_BITS_PER_SECOND, Source, choose_ladder
from headwater.domain.lease import BEAT_INTERVAL_SECONDS
from headwater.media.timeline import SEGMENT_SECONDS
from infra.cost.prices import HOURS_PER_MONTH, price

HOUR = 3600
ANNOUNCE_SECONDS = 10  # containers/rtmp-ingest/rtmp_ingest/settings.py
UPDATE_SECONDS = 2  # notify_update_timeout, containers/rtmp-ingest/rtmp_ingest/nginx.conf

# Kilobytes, rounded up as DynamoDB does it: the control of a stream that is live, a segment of five tracks in the timeline.
CONTROL_KB = 2
TIMELINE_ROW_KB = 1
FLEET_KB = 1  # of ingest on demand: a node is 230 bytes, a wish 120
# Billed, arm64 and warm: some calls of DynamoDB and SQS, each a few milliseconds, and a few of our own (bench/RESULTS.md).
HOOK_SECONDS, HOOK_GB = 0.02, 1.0
LOOK_SECONDS, LOOK_GB = 0.03, 0.5
LINE_BYTES = 600  # of log: what Lambda reports of a call; a segment's metrics
# Names of metrics that are written while all is well (a month's price by the hour), however many broadcasts share them.
METRICS_WHILE_LIVE = 3

SOURCE = Source(
    width=1920,
    height=1080,
    frame_rate=30.0,
    video_codec="h264",
    h264_profile_ok=True,
    video_bits_per_second=5_000_000,
    audio_codec="aac_lc",
    audio_sample_rate=48_000,
    audio_channels=2,
    audio_bits_per_second=AUDIO_BITS_PER_SECOND,
)
RUNGS = choose_ladder(SOURCE, copy_allowed=True)
TRACKS = len(RUNGS) + 1  # and the sound
SOURCE_GB = (SOURCE.video_bits_per_second + SOURCE.audio_bits_per_second) * HOUR / 8e9
LADDER_GB = (sum(rung.bits_per_second for rung in RUNGS) + AUDIO_BITS_PER_SECOND) * HOUR / 8e9


@dataclass(frozen=True, kw_only=True)
class Operations:
    """How often, in an hour of a broadcast that is live and well."""

    segment_puts: float
    playlist_puts: float
    picture_puts: float
    timeline_rows: float
    beats: float
    control_writes: float
    control_reads: float
    lease_reads: float
    judgements: float
    pulses: float
    hooks: float

    @property
    def puts(self) -> float:
        return self.segment_puts + self.playlist_puts + self.picture_puts

    @property
    def table_writes(self) -> float:
        return self.timeline_rows + self.beats + self.control_writes + self.judgements


def operations(tracks: int = TRACKS) -> Operations:
    segments = HOUR / SEGMENT_SECONDS
    pulses = HOUR * 1000 / PULSE_INTERVAL_MS
    hooks = HOUR / UPDATE_SECONDS
    return Operations(
        segment_puts=segments * tracks,
        playlist_puts=segments * (tracks + 1),  # a playlist of every track, and the manifest for DASH
        picture_puts=2 * HOUR / THUMBNAIL_SECONDS,  # the thumbnail, and the poster, which is the newest
        timeline_rows=segments,
        beats=HOUR / BEAT_INTERVAL_SECONDS,
        control_writes=hooks + 2 * pulses,  # a tick arms the next pulse; once that is sent, it is struck out
        control_reads=hooks + pulses,
        lease_reads=pulses,
        judgements=pulses,
        pulses=pulses,
        hooks=hooks,
    )


@dataclass(frozen=True, kw_only=True)
class Machines:
    """What a broadcast runs on, as the templates say it. `streams_per_node`: how many share an ingest node."""

    worker_vcpu: float
    worker_gb: float
    worker_public_ip: bool
    spot: bool
    node_vcpu: float
    node_gb: float
    node_public_ip: bool
    streams_per_node: float
    load_balancer: bool
    node_on_demand: bool  # by itself on a node that announces itself; else it has a share of one that others use, too


# A signed call, a read and a write of the fleet; and once a minute a look at what runs and who is on the air.
_ANNOUNCEMENT = (
    price("HTTP API")
    + price("Lambda, request")
    + HOOK_SECONDS * HOOK_GB * price("Lambda, ARM")
    + price("DynamoDB, read")
    + FLEET_KB * price("DynamoDB, write")
)
_LOOK = 3 * price("DynamoDB, read") + FLEET_KB * price("DynamoDB, write")


def fargate_hour(vcpu: float, gigabytes: float, *, spot: bool, public_ip: bool) -> float:
    kind = "Fargate Spot, ARM" if spot else "Fargate, ARM"
    address = price("public IPv4 address") if public_ip else 0.0
    return vcpu * price(f"{kind}, vCPU") + gigabytes * price(f"{kind}, memory") + address


def lines(machines: Machines) -> Sequence[tuple[str, float]]:
    """What it is for, and dollars per hour."""
    done = operations()
    worker = fargate_hour(
        machines.worker_vcpu, machines.worker_gb, spot=machines.spot, public_ip=machines.worker_public_ip
    )
    node = fargate_hour(machines.node_vcpu, machines.node_gb, spot=False, public_ip=machines.node_public_ip)
    # A row is written in a transaction that looks at the lease: everything in it counts twice.
    written = 2 * done.timeline_rows * (TIMELINE_ROW_KB + 1) + done.beats + done.judgements
    written += done.control_writes * CONTROL_KB
    calls = done.hooks * HOOK_SECONDS * HOOK_GB + done.pulses * LOOK_SECONDS * LOOK_GB
    logged = (done.hooks + done.pulses + done.timeline_rows) * LINE_BYTES / 1e9
    found = [
        ("worker", worker),
        ("S3: segments", done.segment_puts * price("S3, PUT or LIST")),
        ("S3: playlists and manifests", done.playlist_puts * price("S3, PUT or LIST")),
        ("S3: thumbnails, poster", done.picture_puts * price("S3, PUT or LIST")),
        ("DynamoDB: writes", written * price("DynamoDB, write")),
        ("DynamoDB: reads", (done.control_reads + done.lease_reads) * price("DynamoDB, read")),
        ("SQS: pulses, sent, received, deleted", 3 * done.pulses * price("SQS")),
        ("HTTP API: heartbeats of the source", done.hooks * price("HTTP API")),
        ("Lambda", (done.hooks + done.pulses) * price("Lambda, request") + calls * price("Lambda, ARM")),
        ("logs", logged * price("logs, taken in")),
        ("metrics, if it is the only broadcast", METRICS_WHILE_LIVE * price("metric of our own") / HOURS_PER_MONTH),
    ]
    if machines.node_on_demand:
        announcements = HOUR / ANNOUNCE_SECONDS
        found.insert(1, ("an ingest node of its own", node))
        found.insert(2, ("its announcements, and the wish", announcements * _ANNOUNCEMENT + 60 * _LOOK))
    else:
        found.insert(1, ("its share of an ingest node", node / machines.streams_per_node))
    if machines.load_balancer:
        found.insert(2, ("load balancer, by the bytes", SOURCE_GB * price("Network Load Balancer, capacity unit")))
    return found


def other_zone_hour() -> float:
    """What it costs besides when the worker is in another zone than its ingest node: the source, paid at both ends."""
    return 2 * SOURCE_GB * price("data between zones")


def recording_month() -> float:
    """Dollars a month for keeping what an hour of broadcast has left."""
    return LADDER_GB * price("S3, storage")

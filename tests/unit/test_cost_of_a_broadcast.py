"""The cost of a broadcast is worked out from how often things are done: here the product does them, and they are counted."""

from __future__ import annotations

import math
import re

import msgspec

from ffmpeg_worker.epoch_run import EpochMedia
from ffmpeg_worker.ffmpeg_command import THUMBNAIL_SECONDS
from ffmpeg_worker.live_playlists import LivePlaylists
from ffmpeg_worker.packager import PackagedSegment, PackagedTrack
from ffmpeg_worker.timeline_writer import TimelineWriter
from ffmpeg_worker.uploader import Uploader
from headwater.adapters.stream_controls import encode_control
from headwater.domain.broadcast import BroadcastState
from headwater.domain.ids import BroadcastId, StreamId, UserId, WorkerId, new_id
from headwater.domain.ingest_fleet import FleetNode, IngestFleet, Wish
from headwater.domain.lease import Fence, Lease
from headwater.media.timeline import SEGMENT_SECONDS, Timeline, Track, TrackKind
from infra.cost.stream_hour import (
    ANNOUNCE_SECONDS,
    CONTROL_KB,
    FLEET_KB,
    HOUR,
    RUNGS,
    TIMELINE_ROW_KB,
    TRACKS,
    UPDATE_SECONDS,
    operations,
)
from rtmp_ingest.settings import Settings as NodeSettings
from tests.broadcast_world import World
from tests.fakes import MemoryLeases
from tests.fakes_worker import WALL, MemoryStore, MemoryTimelines, Tenure
from tests.templates import ROOT

SEGMENTS = 30
FULL_LADDER = (
    *(
        Track(rung.track_id, TrackKind.VIDEO, "avc1.640028", 90_000, width=rung.width, height=rung.height)
        for rung in RUNGS
    ),
    Track("audio", TrackKind.AUDIO, "mp4a.40.2", 48_000, channels=2, sample_rate=48_000),
)


def test_a_worker_puts_as_many_objects_as_the_cost_says() -> None:
    store, tenure, timelines = MemoryStore(), Tenure(), MemoryTimelines([])
    stream, broadcast = StreamId("s"), BroadcastId("b")
    writer = TimelineWriter(
        Timeline(stream, broadcast),
        Fence(broadcast, 1, WorkerId("w")),
        timelines,
        Uploader(store, tenure),
        LivePlaylists(store, tenure),
        tenure,
        lambda _: None,
    )
    writer.begin_epoch(EpochMedia(1, WALL, FULL_LADDER, {track.track_id: b"init" for track in FULL_LADDER}))
    for number in range(SEGMENTS):
        start = round(number * SEGMENT_SECONDS * 1000)
        shares = {
            track.track_id: PackagedTrack(b"media", start * track.timescale // 1000, 2 * track.timescale)
            for track in FULL_LADDER
        }
        writer.add_segment(PackagedSegment(start, 2000, shares))
        if start % (THUMBNAIL_SECONDS * 1000) == 0:
            writer.add_thumbnail(b"picture")
    assert writer.close(20)

    said, share = operations(), SEGMENTS * SEGMENT_SECONDS / HOUR
    put = [key for key in store.log if not key.endswith(("init.mp4", "live.m3u8"))]  # those of the beginning aside
    assert len(put) == round(said.puts * share)
    assert sum(key.endswith(".m4s") for key in put) == round(said.segment_puts * share)
    assert sum(key.endswith((".m3u8", ".mpd")) for key in put) == round(said.playlist_puts * share)
    assert sum(key.endswith(".jpg") for key in put) == round(said.picture_puts * share)
    assert len(timelines.segments) == round(said.timeline_rows * share)

    row = msgspec.json.encode(timelines.segments[-1])
    around = len("broadcast_id") + 22 + len("position") + len("segment#0000000001") + len("body")
    assert math.ceil((len(row) + 5 * 20 + around) / 1024) == TIMELINE_ROW_KB  # numbers grow by so much in two days


class _CountingLeases(MemoryLeases):
    """Counts what the dispatcher asks for; what a store does inside of one call is its own business."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = self.judgements = 0

    def load(self, broadcast_id: BroadcastId) -> Lease:
        self.reads += 1
        return super().load(broadcast_id)

    def note_judgement(self, lease: Lease) -> bool:
        self.judgements += 1
        self.reads -= 1  # the fake looks before it writes; the real one writes on a condition
        return super().note_judgement(lease)


def test_the_control_plane_reads_and_writes_as_often_as_the_cost_says() -> None:
    world, minutes = World(), 2
    world.publish(0, 0)
    world.due_pulse(0, 0)
    world.worker_comes(0, 0)
    world.media(0, 0)
    counting = _CountingLeases()
    counting.items = world.leases.items
    world.dispatch._leases = counting
    controls, pulses = world.controls, 0
    reads, writes = controls.reads, controls.writes
    second = began = world.clock.now
    while second < began + minutes * 60_000:
        second += 1_000
        while world.queue and min(each.deliver_at for each in world.queue) <= second:
            world.due_pulse(0, 0)
            pulses += 1
        world.clock.now = max(world.clock.now, second)
        world.worker_beats(0, 0)
        if (second - began) % (UPDATE_SECONDS * 1000) == 0:
            world.update(0, 0)

    said, share = operations(), minutes * 60 / HOUR
    assert world.broadcast is not None
    assert world.broadcast.state is BroadcastState.LIVE
    assert pulses == round(said.pulses * share)
    assert counting.reads == round(said.lease_reads * share)
    assert counting.judgements == round(said.judgements * share)
    assert controls.reads - reads == round(said.control_reads * share)
    assert controls.writes - writes == round(said.control_writes * share)
    assert (
        math.ceil((len(encode_control(world.control)) + 150) / 1024) == CONTROL_KB
    )  # 150: the item's other attributes


def test_the_source_is_heard_of_as_often_as_the_cost_says() -> None:
    nginx = (ROOT / "containers/rtmp-ingest/rtmp_ingest/nginx.conf").read_text()
    assert re.findall(r"notify_update_timeout (\d+)s;", nginx) == [str(UPDATE_SECONDS)]


def test_the_ladder_that_is_priced_is_the_whole_one() -> None:
    assert [rung.track_id for rung in RUNGS] == ["1080p", "720p", "480p", "360p"]
    assert len(FULL_LADDER) == TRACKS


def test_a_node_on_demand_announces_itself_as_often_and_its_fleet_is_as_large_as_the_cost_says() -> None:
    defaults = {field.name: field.default for field in msgspec.structs.fields(NodeSettings)}
    assert defaults["announce_seconds"] == ANNOUNCE_SECONDS
    node_id, now = new_id(), 1_800_000_000_000
    task = f"arn:aws:ecs:us-east-1:123456789012:task/headwater-dev-ingest/{'0' * 32}"
    node = FleetNode(node_id, now, task, "203.0.113.177:1935", 1, now, now)
    fleet = IngestFleet((node,), {StreamId(new_id()): Wish(UserId(new_id()), now, node_id)})
    written = {"stream_id": "@ingest", "version": 1000, "write_token": "0" * 16, "fleet": ""}
    assert len(msgspec.json.encode(fleet)) + len(msgspec.json.encode(written)) <= FLEET_KB * 1024

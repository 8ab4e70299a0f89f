"""Segments are stored, then in the timeline, then in the playlists; and what happens when a store will not."""

from __future__ import annotations

import itertools
import posixpath
import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ffmpeg_worker import timeline_writer
from ffmpeg_worker.live_playlists import LivePlaylists
from ffmpeg_worker.packager import PackagedSegment, PackagedTrack
from ffmpeg_worker.timeline_writer import TimelineWriter
from ffmpeg_worker.uploader import Uploader
from headwater.domain.ids import BroadcastId, StreamId, WorkerId
from headwater.domain.lease import Fence
from headwater.errors import Conflict, DependencyUnavailable, LeaseLost
from headwater.media.timeline import Timeline
from tests.dash_uris import named_by_dash
from tests.e2e.playlist_recorder import uris_of
from tests.fakes_worker import WALL, MemoryStore, MemoryTimelines, Tenure, epoch_media, packaged
from tests.nginx_rtmp import eventually
from tests.rfc8216 import check_media_playlist, check_succession

STREAM, BROADCAST = StreamId("s"), BroadcastId("b5")


class _World:
    def __init__(self, timeline: Timeline | None = None) -> None:
        self.store, self.tenure = MemoryStore(), Tenure()
        self.timelines = MemoryTimelines(self.store.log)
        self.told: list[int] = []
        self.writer = TimelineWriter(
            timeline or Timeline(STREAM, BROADCAST),
            Fence(BROADCAST, 1, WorkerId("w")),
            self.timelines,
            Uploader(self.store, self.tenure),
            LivePlaylists(self.store, self.tenure),
            self.tenure,
            self.told.append,
        )

    def playlist(self, track: str = "360p") -> str:
        return self.store.objects[f"s/b5/{track}.m3u8"].body.decode()

    def close(self) -> None:
        assert self.writer.close(20)


@pytest.fixture
def world() -> _World:
    return _World()


def test_no_playlist_names_a_segment_before_it_is_stored_and_in_the_timeline(world: _World) -> None:
    world.writer.begin_epoch(epoch_media())
    for start in (0, 2000, 4000):
        world.writer.add_segment(packaged(start))
    world.close()

    log = world.store.log
    for number, start in enumerate((0, 2000, 4000)):
        row = log.index(f"timeline:{number}")
        assert all(log.index(f"s/b5/{track}/1-{start}.m4s") < row for track in ("360p", "audio"))
    first_playlists = [log.index(f"s/b5/{track}.m3u8") for track in ("360p", "audio")]
    assert log.index("timeline:0") < min(first_playlists)
    assert max(first_playlists) < log.index("s/live.m3u8"), "the entrance opens last"
    assert world.told == [1, 1, 1]


def test_a_track_that_cannot_be_stored_becomes_a_gap_and_the_broadcast_goes_on(
    world: _World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline_writer, "OVERTAKEN_SECONDS", 0.2)
    world.store.refuses = lambda key: key.endswith("360p/1-2000.m4s")
    world.writer.begin_epoch(epoch_media())
    for start in (0, 2000, 4000):
        world.writer.add_segment(packaged(start))
    world.close()

    assert [s.tracks["360p"].missing for s in world.timelines.segments] == [False, True, False]
    assert not any(s.tracks["audio"].missing for s in world.timelines.segments)
    assert world.playlist().count("#EXT-X-GAP") == 1
    assert "#EXT-X-GAP" not in world.playlist("audio")


def test_a_store_that_is_away_for_a_while_costs_nothing_but_time(world: _World) -> None:
    world.store.refuses = lambda key: True
    world.writer.begin_epoch(epoch_media())
    for start in range(0, 12_000, 2000):
        world.writer.add_segment(packaged(start))
    assert not eventually(lambda: world.timelines.segments, 0.5)
    world.store.refuses = lambda key: False
    world.close()
    assert [s.sequence for s in world.timelines.segments] == list(range(6))
    assert not any(share.missing for s in world.timelines.segments for share in s.tracks.values())
    assert world.playlist().count(".m4s") == 6


def test_a_playlist_expires_before_the_next_segment_can_come_and_at_once_while_catching_up(world: _World) -> None:
    world.writer.begin_epoch(epoch_media())
    for start, ahead in ((0, timedelta(milliseconds=1750)), (2000, timedelta(0))):
        before = datetime.now(UTC)
        world.writer.add_segment(packaged(start))
        assert eventually(lambda: len(world.told) == len(world.timelines.segments) == start // 2000 + 1)  # noqa: B023
        after = datetime.now(UTC)
        for name in ("b5/360p.m3u8", "b5/audio.m3u8", "live.mpd"):
            expires_at = world.store.objects[f"s/{name}"].expires_at
            assert expires_at is not None
            assert before + ahead <= expires_at <= after + ahead
        assert world.store.objects["s/live.m3u8"].expires_at is None
    world.close()


def test_playlists_that_could_not_be_written_are_written_when_it_works_again(world: _World) -> None:
    world.store.refuses = lambda key: key.endswith(".m3u8")
    world.writer.begin_epoch(epoch_media())
    world.writer.add_segment(packaged(0))
    assert eventually(lambda: world.told)
    world.store.refuses = lambda key: False
    assert eventually(lambda: "s/live.m3u8" in world.store.objects)
    world.close()


def test_a_new_worker_continues_the_sequence_with_a_new_epoch(world: _World) -> None:
    world.writer.begin_epoch(epoch_media())
    world.writer.add_segment(packaged(0))
    world.close()
    before = Timeline(STREAM, BROADCAST, tuple(world.timelines.epochs), tuple(world.timelines.segments))
    successor = _World(before)
    successor.store.objects.update(world.store.objects)
    successor.writer.begin_epoch(epoch_media(2))
    successor.writer.add_segment(packaged(9000))
    successor.close()
    assert [s.sequence for s in successor.timelines.segments] == [1]
    [first], [second] = world.timelines.epochs, successor.timelines.epochs
    assert (first.number, first.first_sequence, first.begins_ms) == (1, 0, 0)
    assert (second.number, second.first_sequence, second.begins_ms) == (2, 1, 2_000)
    assert successor.playlist().count("#EXT-X-DISCONTINUITY\n") == 1


def test_what_an_epoch_needs_is_stored_before_its_first_segment_is_whole(world: _World) -> None:
    world.writer.begin_epoch(epoch_media())
    assert eventually(lambda: {"s/b5/360p/1-init.mp4", "s/b5/audio/1-init.mp4"} <= world.store.objects.keys())
    assert not world.timelines.epochs
    world.close()


def test_an_epoch_that_gets_no_segment_leaves_no_trace_in_playlists_and_nothing_of_it_is_replaced(
    world: _World,
) -> None:
    world.writer.begin_epoch(epoch_media())
    given_up = epoch_media()
    world.writer.begin_epoch(replace(given_up, inits=dict.fromkeys(given_up.inits, b"of another encoder")))
    world.writer.add_segment(packaged(0))
    world.close()
    assert [epoch.number for epoch in world.timelines.epochs] == [2]
    assert '#EXT-X-MAP:URI="360p/2-init.mp4"' in world.playlist()
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:0\n" in world.playlist()
    assert world.store.log.count("s/b5/360p/1-init.mp4") == 1


def test_a_hiccup_of_the_timeline_is_waited_for(world: _World) -> None:
    world.timelines.failures.append(DependencyUnavailable())
    world.writer.begin_epoch(epoch_media())
    world.writer.add_segment(packaged(0))
    world.close()
    assert len(world.timelines.segments) == 1


@pytest.mark.parametrize("failure", [LeaseLost(), Conflict(), RuntimeError("a bug")])
def test_a_timeline_that_cannot_be_written_makes_the_worker_give_up(world: _World, failure: Exception) -> None:
    world.timelines.failures.append(failure)
    world.writer.begin_epoch(epoch_media())
    world.writer.add_segment(packaged(0))
    world.close()
    assert not world.tenure.may_write
    assert not [key for key in world.store.log if key.endswith(".m3u8")]


def test_a_track_without_media_at_the_end_of_an_epoch_is_missing_there(world: _World) -> None:
    tail = packaged(0, 300)
    silent = replace(tail, tracks={**tail.tracks, "audio": PackagedTrack(b"", 0, 0)})
    world.writer.begin_epoch(epoch_media())
    world.writer.add_segment(silent)
    world.close()
    assert [s.tracks["audio"].missing for s in world.timelines.segments] == [True]


def test_the_entrance_of_a_later_broadcast_is_left_alone(world: _World) -> None:
    world.store.put_if_match("s/live.m3u8", b"later", "", "", None, metadata={"broadcast-id": "b6"})
    world.writer.begin_epoch(epoch_media())
    world.writer.add_segment(packaged(0))
    world.close()
    assert world.store.objects["s/live.m3u8"].body == b"later"
    assert "s/b5/360p.m3u8" in world.store.objects


def test_the_entrance_of_an_earlier_broadcast_is_taken_over(world: _World) -> None:
    world.store.put_if_match("s/live.m3u8", b"earlier", "", "", None, metadata={"broadcast-id": "b4"})
    world.writer.begin_epoch(epoch_media())
    world.writer.add_segment(packaged(0))
    world.close()
    assert world.store.objects["s/live.m3u8"].body.startswith(b"#EXTM3U")


def test_thumbnails_are_numbered_by_the_ten_seconds_however_often_ffmpeg_starts_anew(world: _World) -> None:
    for number in range(4):
        world.writer.add_thumbnail(bytes([number]))
    world.close()
    assert eventually(lambda: "s/b5/poster.jpg" in world.store.objects)
    assert [key for key in world.store.log if "thumbnails" in key] == ["s/b5/thumbnails/0.jpg"]


def test_the_entrance_is_written_again_when_a_rendition_takes_more_than_it_says(world: _World) -> None:
    world.writer.begin_epoch(epoch_media())

    def quiet_then_busy(number: int) -> PackagedSegment:
        whole = packaged(number * 2000)
        data = bytes(50_000 if number < 20 else 900_000)
        return replace(whole, tracks={**whole.tracks, "360p": replace(whole.tracks["360p"], data=data)})

    for number in range(22):
        world.writer.add_segment(quiet_then_busy(number))
    world.close()
    announced = re.search(r"BANDWIDTH=([0-9]+)", world.store.objects["s/live.m3u8"].body.decode())
    assert announced is not None
    assert int(announced[1]) >= 900_000 * 8 / 2
    assert world.store.log.count("s/live.m3u8") <= 6 + 1, "and not with every segment"


def test_dates_go_on_with_media_that_go_on_and_never_back(world: _World) -> None:
    goes_on = epoch_media(1, WALL - 700)  # another worker's view of the same clock
    came_back_soon = epoch_media(2, WALL + 3100)  # whose clock had run fast before
    came_back_later = epoch_media(3, WALL + 60_000)
    for media, start_ms in ((epoch_media(1), 0), (goes_on, 2000), (came_back_soon, 0), (came_back_later, 0)):
        world.writer.begin_epoch(media)
        world.writer.add_segment(packaged(start_ms))
    world.close()
    assert [epoch.wall_start_ms - WALL for epoch in world.timelines.epochs] == [0, 2000, 4000, 60_000]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_cannot_be_stored_every_version_names_only_what_is_there_and_follows_from_the_one_before(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, seconds in {"OVERTAKEN_SECONDS": 0.1, "AWAY_SECONDS": 0.5, "_RETRY_SECONDS": 0.05}.items():
        monkeypatch.setattr(timeline_writer, limit, seconds)
    world, chance = _World(), random.Random(seed)
    refused = {
        f"s/b5/{track}/{name}"
        for epoch, number in itertools.product((1, 2, 3), range(4))
        for track in ("360p", "audio")
        for name in (f"{epoch}-{number * 2000}.m4s", f"{epoch}-init.mp4")
        if chance.random() < 0.15
    }
    world.store.refuses = refused.__contains__
    versions: dict[str, list[str]] = {}
    unfetchable: list[str] = []

    def look_at(key: str, body: bytes) -> None:
        if key.endswith((".m3u8", ".mpd")):
            text = body.decode()
            named = named_by_dash(text) if key.endswith(".mpd") else uris_of(text)
            unfetchable.extend(
                uri for uri in named if posixpath.join(posixpath.dirname(key), uri) not in world.store.objects
            )
            versions.setdefault(key, []).append(text)

    world.store.on_write = look_at
    for epoch in (1, 2, 3):
        world.writer.begin_epoch(epoch_media(epoch))
        for number in range(4):
            world.writer.add_segment(packaged(number * 2000))
    world.close()
    world.store.refuses = lambda key: False  # whoever still tries may end

    assert unfetchable == []
    assert any(share.missing for segment in world.timelines.segments for share in segment.tracks.values())
    for key in ("s/b5/360p.m3u8", "s/b5/audio.m3u8"):
        assert [problem for text in versions[key] for problem in check_media_playlist(text)] == []
        assert [problem for both in itertools.pairwise(versions[key]) for problem in check_succession(*both)] == []

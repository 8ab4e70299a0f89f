"""Segments are stored, then in the timeline, then in the playlists; and what happens when a store will not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ffmpeg_worker import timeline_writer
from ffmpeg_worker.live_playlists import LivePlaylists
from ffmpeg_worker.packager import PackagedTrack
from ffmpeg_worker.timeline_writer import TimelineWriter
from ffmpeg_worker.uploader import Uploader
from headwater.domain.ids import BroadcastId, StreamId, WorkerId
from headwater.domain.lease import Fence
from headwater.errors import Conflict, DependencyUnavailable, LeaseLost
from headwater.media.timeline import Timeline
from tests.fakes_worker import MemoryStore, MemoryTimelines, Tenure, epoch_media, packaged
from tests.nginx_rtmp import eventually

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
    media = epoch_media()
    for start in (0, 2000, 4000):
        world.writer.add_segment(media, packaged(start))
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
    media = epoch_media()
    for start in (0, 2000, 4000):
        world.writer.add_segment(media, packaged(start))
    world.close()

    assert [s.tracks["360p"].missing for s in world.timelines.segments] == [False, True, False]
    assert not any(s.tracks["audio"].missing for s in world.timelines.segments)
    assert world.playlist().count("#EXT-X-GAP") == 1
    assert "#EXT-X-GAP" not in world.playlist("audio")


def test_a_store_that_is_away_for_a_while_costs_nothing_but_time(world: _World) -> None:
    world.store.refuses = lambda key: True
    media = epoch_media()
    for start in range(0, 12_000, 2000):
        world.writer.add_segment(media, packaged(start))
    assert not eventually(lambda: world.timelines.segments, 0.5)
    world.store.refuses = lambda key: False
    world.close()
    assert [s.sequence for s in world.timelines.segments] == list(range(6))
    assert not any(share.missing for s in world.timelines.segments for share in s.tracks.values())
    assert world.playlist().count(".m4s") == 6


def test_a_playlist_expires_before_the_next_segment_can_come_and_at_once_while_catching_up(world: _World) -> None:
    media = epoch_media()
    for start, ahead in ((0, timedelta(milliseconds=1750)), (2000, timedelta(0))):
        before = datetime.now(UTC)
        world.writer.add_segment(media, packaged(start))
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
    world.writer.add_segment(epoch_media(), packaged(0))
    assert eventually(lambda: world.told)
    world.store.refuses = lambda key: False
    assert eventually(lambda: "s/live.m3u8" in world.store.objects)
    world.close()


def test_a_new_worker_continues_the_sequence_with_a_new_epoch(world: _World) -> None:
    world.writer.add_segment(epoch_media(), packaged(0))
    world.close()
    before = Timeline(STREAM, BROADCAST, tuple(world.timelines.epochs), tuple(world.timelines.segments))
    successor = _World(before)
    successor.store.objects.update(world.store.objects)
    successor.writer.add_segment(epoch_media(2, 9000), packaged(9000))
    successor.close()
    assert [s.sequence for s in successor.timelines.segments] == [1]
    assert [e.number for e in successor.timelines.epochs] == [2]
    assert successor.playlist().count("#EXT-X-DISCONTINUITY\n") == 1


def test_a_hiccup_of_the_timeline_is_waited_for(world: _World) -> None:
    world.timelines.failures.append(DependencyUnavailable())
    world.writer.add_segment(epoch_media(), packaged(0))
    world.close()
    assert len(world.timelines.segments) == 1


@pytest.mark.parametrize("failure", [LeaseLost(), Conflict(), RuntimeError("a bug")])
def test_a_timeline_that_cannot_be_written_makes_the_worker_give_up(world: _World, failure: Exception) -> None:
    world.timelines.failures.append(failure)
    world.writer.add_segment(epoch_media(), packaged(0))
    world.close()
    assert not world.tenure.may_write
    assert not [key for key in world.store.log if key.endswith(".m3u8")]


def test_a_track_without_media_at_the_end_of_an_epoch_is_missing_there(world: _World) -> None:
    tail = packaged(0, 300)
    silent = replace(tail, tracks={**tail.tracks, "audio": PackagedTrack(b"", 0, 0)})
    world.writer.add_segment(epoch_media(), silent)
    world.close()
    assert [s.tracks["audio"].missing for s in world.timelines.segments] == [True]


def test_the_entrance_of_a_later_broadcast_is_left_alone(world: _World) -> None:
    world.store.put_if_match("s/live.m3u8", b"later", "", "", None, metadata={"broadcast-id": "b6"})
    world.writer.add_segment(epoch_media(), packaged(0))
    world.close()
    assert world.store.objects["s/live.m3u8"].body == b"later"
    assert "s/b5/360p.m3u8" in world.store.objects


def test_the_entrance_of_an_earlier_broadcast_is_taken_over(world: _World) -> None:
    world.store.put_if_match("s/live.m3u8", b"earlier", "", "", None, metadata={"broadcast-id": "b4"})
    world.writer.add_segment(epoch_media(), packaged(0))
    world.close()
    assert world.store.objects["s/live.m3u8"].body.startswith(b"#EXTM3U")


def test_thumbnails_are_numbered_by_the_ten_seconds_however_often_ffmpeg_starts_anew(world: _World) -> None:
    for number in range(4):
        world.writer.add_thumbnail(bytes([number]))
    world.close()
    assert eventually(lambda: "s/b5/poster.jpg" in world.store.objects)
    assert [key for key in world.store.log if "thumbnails" in key] == ["s/b5/thumbnails/0.jpg"]

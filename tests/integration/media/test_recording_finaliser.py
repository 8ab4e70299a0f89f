"""From the message to the recording: DynamoDB, S3, SQS and EventBridge by moto, the function as it is deployed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from functions.recording_finaliser import wiring
from functions.recording_finaliser.handler import handler
from headwater.adapters.bucket import Bucket
from headwater.adapters.leases import Leases
from headwater.adapters.outbox import Outbox
from headwater.adapters.stream_controls import StreamControls
from headwater.adapters.timelines import Timelines
from headwater.broadcasts import Broadcasts
from headwater.contracts import FinaliseRecording, encode
from headwater.domain.broadcast import Broadcast, RecordingState, StreamSettings
from headwater.domain.broadcast_events import Configure, MediaSeen, Stop
from headwater.domain.ids import BroadcastId, StreamId, WorkerId, new_id
from headwater.domain.lease import Fence
from headwater.errors import DependencyUnavailable, LeaseLost, ObjectChanged
from headwater.media import dash, hls, object_keys
from headwater.media.timeline import Epoch, Segment
from tests.aws import EVENT_BUS, LEASE_TABLE, SEGMENT_TABLE, STREAM_TABLE, Account, received
from tests.factories import NOW, done, publish, session_ref, stream_control
from tests.rfc8216 import check_media_playlist, check_multivariant
from tests.timelines import epoch, segments

WORKER = WorkerId("worker")
LIVE_KEYS = (object_keys.live_hls, object_keys.live_dash)


@dataclass
class Deployment:
    account: Account
    store: Bucket
    broadcasts: Broadcasts
    leases: Leases
    timelines: Timelines

    def broadcast(self, stream_id: StreamId) -> Broadcast:
        control = self.broadcasts.read(stream_id)
        assert control is not None and control.broadcast is not None
        return control.broadcast

    def start(self, stream_id: StreamId, client: str = "1") -> BroadcastId:
        broadcast_id = BroadcastId(new_id())
        self.broadcasts.apply(stream_id, publish(session_ref(client), broadcast_id=broadcast_id))
        return broadcast_id

    def new_stream(self, **settings: Any) -> StreamId:
        control = stream_control(settings=StreamSettings(**settings))
        self.broadcasts.create(control)
        return control.stream_id

    def stop_without_encoder(self, stream_id: StreamId) -> None:
        """Nobody has to be kept from coming back: the next broadcast may begin at once."""
        self.broadcasts.apply(stream_id, done(session_ref(), NOW))
        self.broadcasts.apply(stream_id, Stop())

    def record(self, stream_id: StreamId, broadcast_id: BroadcastId, *parts: tuple[Epoch, list[int]]) -> Fence:
        """What a worker leaves behind: segments, rows, live manifests."""
        lease = self.leases.request(self.leases.load(broadcast_id), NOW)
        assert lease is not None and self.leases.acquire(broadcast_id, lease.generation, WORKER)
        fence = Fence(broadcast_id, lease.generation, WORKER)
        sequence = 0
        for part, durations in parts:
            for index, segment in enumerate(segments(part, durations, first_sequence=sequence)):
                for track in part.tracks:
                    key = object_keys.media_segment(
                        stream_id, broadcast_id, track.track_id, part.number, segment.start_ms
                    )
                    self.store.put(key, b"media", object_keys.MP4_TYPE, object_keys.IMMUTABLE)
                self.timelines.append(fence, segment, part if index == 0 else None)
            sequence += len(durations)
        self.go_on_air(stream_id, broadcast_id)
        self.broadcasts.apply(stream_id, MediaSeen(broadcast_id, 1))
        return fence

    def go_on_air(self, stream_id: StreamId, broadcast_id: BroadcastId) -> None:
        for key in LIVE_KEYS:
            self.store.put(
                key(stream_id),
                broadcast_id.encode(),
                object_keys.HLS_TYPE,
                object_keys.LIVE_ENTRANCE,
                metadata={object_keys.BROADCAST_METADATA: broadcast_id},
            )

    def text(self, key: str) -> str:
        body = self.store.get(key)
        assert body is not None, key
        return body.decode()


@pytest.fixture
def deployment(account: Account, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    for name, value in {
        "STREAM_TABLE": STREAM_TABLE,
        "LEASE_TABLE": LEASE_TABLE,
        "SEGMENT_TABLE": SEGMENT_TABLE,
        "EVENT_BUS": EVENT_BUS,
        "PULSE_QUEUE_URL": account.pulse_queue,
        "MEDIA_BUCKET": bucket,
    }.items():
        monkeypatch.setenv(name, value)
    wiring.parts.cache_clear()
    return Deployment(
        account,
        Bucket(bucket),
        Broadcasts(StreamControls(STREAM_TABLE), Outbox(EVENT_BUS, account.pulse_queue)),
        Leases(LEASE_TABLE),
        Timelines(SEGMENT_TABLE, LEASE_TABLE),
    )


def finalise(*jobs: tuple[StreamId, BroadcastId], bodies: tuple[str, ...] = ()) -> list[str]:
    """Deliver these messages in one batch; the ids of those that the function wants again."""
    encoded = [encode(FinaliseRecording(stream_id=stream, broadcast_id=broadcast)) for stream, broadcast in jobs]
    records = [{"messageId": str(number), "body": body} for number, body in enumerate((*encoded, *bodies))]
    answer = handler({"Records": records}, SimpleNamespace())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_an_ended_broadcast_becomes_a_complete_recording(deployment: Deployment) -> None:
    stream_id = deployment.new_stream()
    broadcast_id = deployment.start(stream_id)
    parts = (
        (epoch(1, "720p", "360p", "audio"), [2_000, 2_000, 1_500]),
        (epoch(2, "720p", "360p", "audio"), [2_000, 700]),
    )
    deployment.record(stream_id, broadcast_id, *parts)
    deployment.broadcasts.apply(stream_id, Stop())

    assert finalise((stream_id, broadcast_id)) == []

    settled = deployment.broadcast(stream_id)
    assert settled.recording is RecordingState.READY
    assert settled.duration_seconds == pytest.approx(8.2)
    assert settled.renditions == ("720p", "360p", "audio")
    timeline = deployment.timelines.load(stream_id, broadcast_id)
    for rendition in settled.renditions:
        text = deployment.text(object_keys.media_playlist(stream_id, broadcast_id, rendition))
        assert text == hls.media_playlist(timeline, rendition, complete=True)
        assert check_media_playlist(text) == []
        for name in [line for line in text.splitlines() if line.endswith(".m4s")]:
            assert deployment.store.head(f"{stream_id}/{broadcast_id}/{name}") is not None
    index = deployment.text(object_keys.recording_hls(stream_id, broadcast_id))
    assert index == hls.multivariant_playlist(timeline, complete=True)
    assert check_multivariant(index) == []
    mpd = deployment.text(object_keys.recording_dash(stream_id, broadcast_id))
    assert mpd == dash.manifest(timeline, complete=True, now_ms=0), (
        "a recording's manifest does not say when it was made"
    )
    for key in LIVE_KEYS:
        assert deployment.store.head(key(stream_id)) is None
    names = [json.loads(body)["detail-type"] for body in received(deployment.account.news_queue)]
    assert names[-1] == "RecordingReady"


def test_media_that_no_manifest_names_are_removed_and_nothing_else(deployment: Deployment) -> None:
    stream_id = deployment.new_stream()
    broadcast_id = deployment.start(stream_id)
    part = epoch(1, "360p", "audio")
    deployment.record(stream_id, broadcast_id, (part, [2_000, 2_000]))
    for track in part.tracks:
        deployment.store.put(
            object_keys.init_segment(stream_id, broadcast_id, track.track_id, 1),
            b"init",
            object_keys.MP4_TYPE,
            "no-store",
        )
    pictures = [
        object_keys.thumbnail(stream_id, broadcast_id, 0),
        object_keys.poster(stream_id, broadcast_id),
    ]
    kept = {*deployment.store.list(f"{stream_id}/{broadcast_id}/"), *pictures}
    strays = [  # of a worker that was lost: a segment that nobody committed, and the first one of an epoch
        object_keys.media_segment(stream_id, broadcast_id, "audio", 1, 99_000),
        object_keys.media_segment(stream_id, broadcast_id, "360p", 2, 4_000),
        object_keys.init_segment(stream_id, broadcast_id, "360p", 2),
    ]
    for key in (*pictures, *strays):
        deployment.store.put(key, b"", object_keys.MP4_TYPE, "no-store")
    deployment.broadcasts.apply(stream_id, Stop())

    assert finalise((stream_id, broadcast_id)) == []

    left = set(deployment.store.list(f"{stream_id}/{broadcast_id}/"))
    assert not left & set(strays)
    assert kept < left, "and the manifests"


def test_strays_that_cannot_be_removed_do_not_keep_the_recording(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = deployment.new_stream()
    broadcast_id = deployment.start(stream_id)
    deployment.record(stream_id, broadcast_id, (epoch(1, "360p"), [2_000]))
    deployment.broadcasts.apply(stream_id, Stop())

    def unavailable(store: Bucket, keys: Iterable[str]) -> int:
        raise DependencyUnavailable

    monkeypatch.setattr(Bucket, "delete_many", unavailable)
    assert finalise((stream_id, broadcast_id)) == []
    assert deployment.broadcast(stream_id).recording is RecordingState.READY


def test_after_it_nobody_can_add_to_the_timeline_or_overwrite_a_playlist(deployment: Deployment) -> None:
    stream_id = deployment.new_stream()
    broadcast_id = deployment.start(stream_id)
    part = epoch(1, "360p")
    fence = deployment.record(stream_id, broadcast_id, (part, [2_000]))
    key = object_keys.media_playlist(stream_id, broadcast_id, "360p")
    etag = deployment.store.put_if_match(key, b"live", object_keys.HLS_TYPE, object_keys.LIVE_ENTRANCE, None)
    live = deployment.store.head(object_keys.live_hls(stream_id))
    assert live is not None
    deployment.broadcasts.apply(stream_id, Stop())
    finalise((stream_id, broadcast_id))

    late: Segment = segments(part, [2_000, 2_000])[1]
    with pytest.raises(LeaseLost):
        deployment.timelines.append(fence, late)
    for late_key, seen in ((key, etag), (object_keys.live_hls(stream_id), live.etag)):
        with pytest.raises(ObjectChanged):
            deployment.store.put_if_match(late_key, b"late", "text/plain", "no-store", seen)


def test_a_message_that_comes_again_changes_nothing(deployment: Deployment) -> None:
    stream_id = deployment.new_stream()
    broadcast_id = deployment.start(stream_id)
    deployment.record(stream_id, broadcast_id, (epoch(1, "360p", "audio"), [2_000]))
    deployment.broadcasts.apply(stream_id, Stop())
    assert finalise(*[(stream_id, broadcast_id)] * 3) == []
    before = deployment.broadcasts.read(stream_id)
    assert finalise((stream_id, broadcast_id)) == []
    assert deployment.broadcasts.read(stream_id) == before
    news = [json.loads(body)["detail-type"] for body in received(deployment.account.news_queue)]
    assert news.count("RecordingReady") == 1


def test_the_next_broadcast_of_the_stream_stays_on_air(deployment: Deployment) -> None:
    stream_id = deployment.new_stream()
    first = deployment.start(stream_id)
    deployment.record(stream_id, first, (epoch(1, "360p"), [2_000]))
    deployment.stop_without_encoder(stream_id)
    second = deployment.start(stream_id, client="2")
    deployment.record(stream_id, second, (epoch(1, "360p"), [2_000, 2_000]))

    assert finalise((stream_id, first)) == []

    for key in LIVE_KEYS:
        assert deployment.store.get(key(stream_id)) == second.encode()
    assert deployment.broadcast(stream_id).broadcast_id == second
    assert deployment.broadcast(stream_id).is_active
    assert deployment.store.head(object_keys.recording_hls(stream_id, first)) is not None
    assert deployment.store.head(object_keys.recording_hls(stream_id, second)) is None


def test_a_broadcast_that_is_taken_over_between_the_look_and_the_removal_stays_on_air(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = deployment.new_stream()
    first = deployment.start(stream_id)
    deployment.record(stream_id, first, (epoch(1, "360p"), [2_000]))
    deployment.stop_without_encoder(stream_id)
    second = deployment.start(stream_id, client="2")
    remove = Bucket.delete_if_match

    def removed_late(store: Bucket, key: str, etag: str, **options: Any) -> bool:
        deployment.go_on_air(stream_id, second)
        return remove(store, key, etag, **options)

    monkeypatch.setattr(Bucket, "delete_if_match", removed_late)
    assert finalise((stream_id, first)) == []
    for key in LIVE_KEYS:
        assert deployment.store.get(key(stream_id)) == second.encode()


def test_what_is_still_live_is_not_finalised(deployment: Deployment) -> None:
    stream_id = deployment.new_stream()
    broadcast_id = deployment.start(stream_id)
    fence = deployment.record(stream_id, broadcast_id, (epoch(1, "360p"), [2_000]))
    assert finalise((stream_id, broadcast_id), (StreamId(new_id()), BroadcastId(new_id()))) == []
    assert deployment.store.head(object_keys.live_hls(stream_id)) is not None
    assert deployment.leases.beat(fence), "its lease is not closed"


def test_a_stream_that_keeps_no_recordings_keeps_no_object(deployment: Deployment) -> None:
    stream_id = deployment.new_stream(record=False)
    broadcast_id = deployment.start(stream_id)
    deployment.record(stream_id, broadcast_id, (epoch(1, "360p", "audio"), [2_000] * 3))
    deployment.store.put(object_keys.poster(stream_id, broadcast_id), b"", object_keys.JPEG_TYPE, "no-store")
    other = f"{stream_id}/{new_id()}/audio.m3u8"
    deployment.store.put(other, b"", object_keys.HLS_TYPE, "no-store")
    deployment.broadcasts.apply(stream_id, Stop())
    assert finalise((stream_id, broadcast_id)) == []
    assert list(deployment.store.list("")) == [other]
    assert deployment.timelines.load(stream_id, broadcast_id).segments == ()
    assert deployment.broadcast(stream_id).recording is RecordingState.DISCARDED
    assert deployment.broadcast(stream_id).duration_seconds == 0


def test_a_setting_that_is_changed_after_the_end_takes_no_recording_away(deployment: Deployment) -> None:
    stream_id = deployment.new_stream()
    broadcast_id = deployment.start(stream_id)
    deployment.record(stream_id, broadcast_id, (epoch(1, "360p", "audio"), [2_000] * 3))
    deployment.broadcasts.apply(stream_id, Stop())
    deployment.broadcasts.apply(stream_id, Configure(StreamSettings(record=False)))
    assert finalise((stream_id, broadcast_id)) == []
    assert deployment.broadcast(stream_id).recording is RecordingState.READY
    assert deployment.store.head(object_keys.recording_hls(stream_id, broadcast_id)) is not None


def test_a_broadcast_without_media_fails_and_leaves_nothing(deployment: Deployment) -> None:
    stream_id = deployment.new_stream()
    broadcast_id = deployment.start(stream_id)
    deployment.store.put(
        object_keys.init_segment(stream_id, broadcast_id, "360p", 1), b"", object_keys.MP4_TYPE, "no-store"
    )
    deployment.broadcasts.apply(stream_id, Stop())
    assert finalise((stream_id, broadcast_id)) == []
    assert deployment.broadcast(stream_id).recording is RecordingState.FAILED
    assert list(deployment.store.list("")) == []


def test_only_the_message_that_failed_comes_again(deployment: Deployment) -> None:
    stream_id = deployment.new_stream()
    broadcast_id = deployment.start(stream_id)
    deployment.record(stream_id, broadcast_id, (epoch(1, "360p"), [2_000]))
    deployment.broadcasts.apply(stream_id, Stop())
    assert finalise((stream_id, broadcast_id), bodies=("{}", "no json")) == ["1", "2"]
    assert deployment.broadcast(stream_id).recording is RecordingState.READY

"""S3 refuses everything for a minute: the broadcast lives on, and no playlist ever names what is not there."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from headwater.domain.broadcast import BroadcastState
from headwater.media.timeline import Segment
from tests.nginx_rtmp import eventually
from tests.refusing_store import refusing_store
from tests.rfc8216 import check_media_playlist
from tests.worker_stage import Cloud, Stage, picture_and_sound, published, source_node

REFUSES_SECONDS = 60


@pytest.mark.timeout(200)
def test_a_minute_of_503_costs_segments_but_not_the_broadcast(cloud: Cloud, tmp_path: Path) -> None:
    with (
        refusing_store(cloud.endpoint) as store,
        source_node(tmp_path) as node,
        Stage(cloud, tmp_path).running() as stage,
        published(f"{node.base}/one", *picture_and_sound()),
    ):
        stage.publish(node.source("one"))
        worker = stage.start_worker(environment={"AWS_ENDPOINT_URL_S3": store.url})
        before = len(stage.wait_for_segments(2))
        store.refusing.set()
        time.sleep(REFUSES_SECONDS)
        assert store.refused > 10
        assert worker.poll() is None, stage.log()[-4000:]
        store.refusing.clear()
        assert eventually(lambda: any(not missing(s) for s in stage.segments()[before + 8 :]), 60), stage.log()[-4000:]
        assert stage.broadcast().state is BroadcastState.LIVE
        stored = stage.segments()
        assert eventually(lambda: f"-{stored[-1].start_ms}.m4s" in stage.playlist("180p"))

    assert [segment.sequence for segment in stage.segments()] == list(range(len(stage.segments())))
    for track in ("180p", "audio"):
        playlist = stage.playlist(track)
        assert check_media_playlist(playlist) == [], playlist
        named = re.findall(r"(?<!#EXT-X-GAP\n)#EXTINF:[^\n]+\n([^#\n]+)", playlist)
        assert named
        for uri in named:
            assert stage.cloud.object(f"{stage.stream_id}/{stage.broadcast_id}/{uri}"), f"{uri} is named, but not there"


def missing(segment: Segment) -> bool:
    return any(share.missing for share in segment.tracks.values())

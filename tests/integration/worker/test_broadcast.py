"""A worker process on a real RTMP stream: what ends up in the store, the timeline and the playlists."""

from __future__ import annotations

import time
from pathlib import Path

from tests.rfc8216 import check_media_playlist, check_multivariant
from tests.worker_stage import (
    Cloud,
    Stage,
    bare_nginx_rtmp,
    decoded_frames,
    picture_and_sound,
    published,
)


def test_a_published_stream_becomes_playable_and_ends_with_everything_flushed(cloud: Cloud, tmp_path: Path) -> None:
    with bare_nginx_rtmp(tmp_path) as base, Stage(cloud, tmp_path).running() as stage:
        with published(f"{base}/one", *picture_and_sound(gop=30)):
            stage.publish(f"{base}/one")
            worker = stage.start_worker()
            stage.wait_for_segments(3)
        stage.interrupt()
        time.sleep(1.0)
        stage.end()
        assert worker.wait(15) == 0, stage.log()

        assert stage.lease_state() == "released"
        assert stage.broadcast().live_at is not None
        segments = stage.segments()
        assert [segment.sequence for segment in segments] == list(range(len(segments)))
        assert check_multivariant(stage.entrance()) == []
        for track in ("180p", "audio"):
            assert check_media_playlist(stage.playlist(track)) == []
            assert decoded_frames(stage.media(track, epoch=1))

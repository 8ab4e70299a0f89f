"""Everything that a whole broadcast serves obeys RFC 8216, can be fetched when it is named, and decodes."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from functools import partial
from itertools import pairwise

import httpx
import pytest

from tests.e2e.encoders import Picture, encoder, ffmpeg_command
from tests.e2e.local_stack import LocalStack, eventually, fetch
from tests.e2e.playlist_recorder import PlaylistRecorder
from tests.rfc8216 import check_media_playlist, check_multivariant, check_succession


def decoded_frames(url: str) -> dict[str, int]:
    """Frames that ffprobe decodes of each kind of track at `url`."""
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=codec_type,nb_read_frames"]
    done = subprocess.run([*command, "-of", "json", url], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    return {stream["codec_type"]: int(stream["nb_read_frames"]) for stream in json.loads(done.stdout)["streams"]}


def ended_playlist(url: str) -> str | None:
    text = fetch(url).text
    return text if "#EXT-X-ENDLIST" in text else None


@pytest.mark.timeout(300)
def test_every_playlist_version_is_valid_and_every_uri_in_it_is_fetchable(stack: LocalStack) -> None:
    stream = stack.create_stream()
    picture = Picture(size="854x480")
    with encoder(ffmpeg_command(stream.publish_url, picture, seconds=24)) as publisher:
        live = stream.wait_for_playlist()
        with PlaylistRecorder(live) as recorder:
            publisher.wait(timeout=120)
            stream.wait_for_status("interrupted")
            stream.stop()
            recording = stream.wait_for_recording()

    assert not recorder.unfetchable
    for text in recorder.versions[live]:
        assert check_multivariant(text) == []
    assert len(recorder.media_playlists) == 3  # 480p, 360p, audio
    for url, texts in recorder.media_playlists.items():
        assert len(texts) >= 5, url
        for text in texts:
            assert check_media_playlist(text) == [], text
        for before, after in pairwise(texts):
            assert check_succession(before, after) == [], f"{before}\n---\n{after}"
        assert timedelta(0) < max(recorder.held_for[url]) <= timedelta(seconds=2), "a cache serves it, but not for long"

    master = fetch(recording["playback"]["hls"])
    assert check_multivariant(master.text) == []
    for uri in [line for line in master.text.splitlines() if line.endswith(".m3u8")]:
        url = str(httpx.URL(recording["playback"]["hls"]).join(uri))
        # The same URL was a live playlist a moment ago, and caches may serve that for a second.
        text = eventually(partial(ended_playlist, url), "the complete playlist")
        assert check_media_playlist(text) == []
        frames = decoded_frames(url)
        assert frames["video"] >= 20 * 30
    dash = decoded_frames(recording["playback"]["dash"])
    assert dash["video"] >= 20 * 30
    assert dash["audio"] > 0


@pytest.mark.timeout(180)
def test_streamlink_plays_it(stack: LocalStack) -> None:
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, Picture())):
        live = stream.wait_for_playlist()
        streamlink = [sys.executable, "-m", "streamlink", "--no-config", "--stdout", "--stream-segmented-duration", "4"]
        done = subprocess.run([*streamlink, f"hls://{live}", "best"], capture_output=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    assert len(done.stdout) > 50_000


@pytest.mark.timeout(180)
def test_an_offline_stream_answers_404_that_nobody_caches(stack: LocalStack) -> None:
    stream = stack.create_stream()
    for name in ("live.m3u8", "live.mpd"):
        answer = fetch(f"{stack.cdn}/{stream.stream_id}/{name}")
        assert answer.status_code == 404
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.timeout(180)
def test_segments_are_cached_for_ever_and_thumbnails_come(stack: LocalStack) -> None:
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, Picture())):
        live = stream.wait_for_playlist()
        master = fetch(live).text
        media = httpx.URL(live).join(next(line for line in master.splitlines() if line.endswith(".m3u8")))
        segment = media.join(next(line for line in fetch(media).text.splitlines() if line.endswith(".m4s")))
        answer = fetch(segment, headers={"Origin": stack.web})
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"] == "video/mp4"
        poster = eventually(lambda: stream.get()["thumbnail_url"], "a thumbnail")
        eventually(lambda: fetch(poster).content[:2] == b"\xff\xd8", "the poster is a JPEG")

"""Only the current key publishes; every other is refused, and changes nothing."""

from __future__ import annotations

import subprocess
from itertools import pairwise

import pytest

from tests.e2e.encoders import Picture, encoder, ffmpeg_command
from tests.e2e.local_stack import LocalStack, Stream, eventually, fetch
from tests.e2e.playlist_recorder import PlaylistRecorder
from tests.rfc8216 import check_succession


def publish_is_refused(url: str) -> None:
    done = subprocess.run(
        ffmpeg_command(url, Picture(size="320x180"), seconds=20), capture_output=True, timeout=60, check=False
    )
    assert done.returncode != 0, "the encoder was let in"


def hostile_names(stream: Stream, victim: Stream) -> list[str]:
    key = stream.stream_key
    return [
        "wrong",
        key[:-1] + ("a" if key[-1] != "a" else "b"),
        key + "x",
        key + "/../../etc",
        "../" + key,
        "x" * 255,
        "$(id)",
        "';--",
        f"wrong?name={victim.stream_key}&addr=127.0.0.1&call=publish",
    ]


@pytest.mark.timeout(240)
def test_a_wrong_or_hostile_key_is_refused_and_changes_nothing(stack: LocalStack) -> None:
    stream, victim = stack.create_stream(), stack.create_stream()
    for name in hostile_names(stream, victim):
        publish_is_refused(f"{stream.rtmp_url}/{name}")
    for untouched in (stream, victim):
        assert untouched.get()["status"] == "offline"
        assert untouched.broadcasts() == []


@pytest.mark.timeout(240)
def test_a_rotated_key_is_refused_and_its_publisher_dropped(stack: LocalStack) -> None:
    stream = stack.create_stream(record=False)
    with encoder(ffmpeg_command(stream.publish_url, Picture(size="320x180"))) as publisher:
        live = stream.wait_for_playlist()
        fresh = stream.owner.call("POST", f"/streams/{stream.stream_id}/ingest/rotate")["stream_key"]
        assert fresh != stream.stream_key
        eventually(lambda: publisher.poll() is not None, "the publisher on the old key is dropped")
    publish_is_refused(stream.publish_url)
    stream.stop()
    eventually(lambda: fetch(live).status_code >= 400, "nothing is kept of it")
    eventually(lambda: stream.broadcasts()[0]["status"] == "ended", "history knows that it is over")


@pytest.mark.timeout(240)
def test_a_second_publisher_is_refused_and_the_first_never_notices(stack: LocalStack) -> None:
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, Picture())) as first:
        live = stream.wait_for_playlist()
        with PlaylistRecorder(live) as recorder:
            for _ in range(3):
                publish_is_refused(stream.publish_url)
        assert first.poll() is None
        assert stream.get()["status"] == "live"
    assert not recorder.unfetchable
    for texts in recorder.media_playlists.values():
        assert not any("#EXT-X-DISCONTINUITY\n" in text for text in texts)
        assert all(check_succession(one, other) == [] for one, other in pairwise(texts))
    assert len(stream.broadcasts()) == 1
    stream.stop()

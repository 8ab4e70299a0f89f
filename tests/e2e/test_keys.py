"""Only the current key publishes; every other is refused, changes nothing, and no key is ever written anywhere."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

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
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, Picture(size="320x180"))) as publisher:
        stream.wait_for_status("live")
        fresh = stream.owner.call("POST", f"/streams/{stream.stream_id}/ingest/rotate")["stream_key"]
        assert fresh != stream.stream_key
        eventually(lambda: publisher.poll() is not None, "the publisher on the old key is dropped")
    publish_is_refused(stream.publish_url)
    stream.stop()


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


@pytest.mark.timeout(240)
def test_the_key_is_in_no_log_no_url_and_no_object_key(stack: LocalStack) -> None:
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, Picture(size="320x180"))):
        live = stream.wait_for_playlist()
        assert stream.stream_key not in fetch(live).text
    stream.stop()
    stream.wait_for_recording()
    secret = stream.stream_key.rsplit("_", 1)[1].encode()
    leaking = [
        str(path.relative_to(stack.data.parent))
        for path in [*files_below(stack.data), stack.log]
        if path.is_file() and (secret in str(path).encode() or holds(path, secret))
    ]
    assert leaking == []


def files_below(folder: Path) -> Iterator[Path]:
    """Of a stack that is at work, whose folders come and go meanwhile; rglob would fail."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def holds(path: Path, secret: bytes, piece_bytes: int = 1 << 22) -> bool:
    """Whether `secret` is anywhere in the file, read piece by piece: logs and databases may be larger than memory."""
    end = b""
    try:
        with path.open("rb") as file:
            while piece := file.read(piece_bytes):
                if secret in end + piece:
                    return True
                end = (end + piece)[-len(secret) + 1 :]
    except OSError:
        pass  # gone meanwhile, or a socket
    return False


def test_a_secret_is_found_wherever_the_pieces_of_a_file_are_cut(tmp_path: Path) -> None:
    for start in range(24):
        (tmp_path / "log").write_bytes(b"." * start + b"secret" + b"." * 9)
        assert holds(tmp_path / "log", b"secret", piece_bytes=4)
    assert not holds(tmp_path / "log", b"secreted", piece_bytes=4)

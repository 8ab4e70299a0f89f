"""What goes wrong in production, done on purpose: the broadcast lives on, and nothing that was durable is lost."""

from __future__ import annotations

import os
import signal
import time
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.e2e.encoders import Picture, encoder, ffmpeg_command
from tests.e2e.local_stack import LocalStack, Stream, eventually, fetch
from tests.e2e.playlist_recorder import PlaylistRecorder
from tests.rfc8216 import check_media_playlist, check_succession


def workers_of(stream: Stream) -> list[int]:
    """Process ids of the workers that have a job for this stream."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if b"ffmpeg_worker" in command and f'"stream_id":"{stream.stream_id}"'.encode() in environment:
            found.append(int(entry.name))
    return found


def last_segment(media_playlist: httpx.URL) -> str:
    lines = [line for line in fetch(media_playlist).text.splitlines() if line.endswith(".m4s")]
    return lines[-1] if lines else ""


def any_media_playlist(live: str) -> httpx.URL:
    master = fetch(live).text
    return httpx.URL(live).join(next(line for line in master.splitlines() if line.endswith(".m3u8")))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP], ids=lambda how: how.name)
def test_a_lost_worker_is_replaced_and_its_playlists_go_on(stack: LocalStack, how: signal.Signals) -> None:
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, Picture())):
        live = stream.wait_for_playlist()
        media = any_media_playlist(live)
        with PlaylistRecorder(live) as recorder:
            eventually(lambda: fetch(media).text.count("#EXTINF") >= 3, "three segments")
            [worker] = workers_of(stream)
            os.kill(worker, how)
            before = last_segment(media)
            try:
                eventually(
                    lambda: (
                        last_segment(media).rsplit("/", 1)[-1].split("-")[0] != before.rsplit("/", 1)[-1].split("-")[0]
                    ),
                    "another worker writes segments",
                )
            finally:
                if how is signal.SIGSTOP:
                    os.kill(worker, signal.SIGCONT)
            if how is signal.SIGSTOP:
                eventually(lambda: worker not in workers_of(stream), "the worker that lost its lease stops")
            time.sleep(3)  # more versions to check
        assert len(workers_of(stream)) == 1
        assert stream.get()["status"] == "live"
    stream.stop()
    assert not recorder.unfetchable
    for texts in recorder.media_playlists.values():
        for text in texts:
            assert check_media_playlist(text) == []
        for one, other in pairwise(texts):
            assert check_succession(one, other) == []


@pytest.mark.alone
@pytest.mark.timeout(240)
def test_with_the_database_stopped_a_publish_goes_live_and_its_history_is_written_later(stack: LocalStack) -> None:
    stream = stack.create_stream()
    postgres = int((stack.data / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    cdn_live = f"{stack.cdn}/{stream.stream_id}/live.m3u8"
    with service_paused(postgres), encoder(ffmpeg_command(stream.publish_url, Picture())):
        eventually(lambda: fetch(cdn_live).status_code == 200, "it plays without the database")
        first = any_media_playlist(cdn_live)
        eventually(lambda: fetch(first).text.count("#EXTINF") >= 3, "and goes on")
    eventually(lambda: len(stream.broadcasts()) == 1, "its history is written")
    stream.stop()
    assert stream.wait_for_recording()["status"] == "ready"


class service_paused:  # noqa: N801 - reads as a statement where it is used
    """Stop a process without its noticing, and let it go on afterwards."""

    def __init__(self, pid: int) -> None:
        self.pids = [pid, *_children(pid)]

    def __enter__(self) -> None:
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        for pid in self.pids:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGCONT)


def _children(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


@pytest.mark.alone
@pytest.mark.timeout(240)
def test_live_streams_go_on_while_redis_is_away(stack: LocalStack) -> None:
    stream = stack.create_stream()
    redis = process_listening_on(stack.port(16379))
    with encoder(ffmpeg_command(stream.publish_url, Picture())):
        media = any_media_playlist(stream.wait_for_playlist())
        with service_paused(redis):
            seen = set()

            def ten_seconds_pass() -> bool:
                seen.add(last_segment(media))
                return len(seen) > 5

            eventually(ten_seconds_pass, "five more segments")
            assert stream.get()["status"] == "live"
    stream.stop()


def process_listening_on(port: int) -> int:
    """The process that listens on 127.0.0.1:`port`, found through /proc."""
    wanted = f":{port:04X}"
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(wanted) and line.split()[3] == "0A"
    }
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            for descriptor in (entry / "fd").iterdir():
                target = str(descriptor.readlink())
                if target.startswith("socket:[") and target[8:-1] in inodes:
                    return int(entry.name)
        except OSError:
            continue
    raise AssertionError(f"nothing listens on port {port}")


@pytest.mark.alone
@pytest.mark.timeout(240)
def test_when_the_ingest_node_dies_the_stream_is_interrupted_and_the_key_usable_again(stack: LocalStack) -> None:
    stream = stack.create_stream(reconnect_window=120)
    with encoder(ffmpeg_command(stream.publish_url, Picture())) as publisher:
        stream.wait_for_playlist()
        node = process_listening_on(stack.port(1935))
        os.kill(node, signal.SIGKILL)
        eventually(lambda: publisher.poll() is not None, "the publisher loses its connection")
    stream.wait_for_status("interrupted")
    with encoder(retrying(ffmpeg_command(stream.publish_url, Picture()))):
        stream.wait_for_status("live")
    assert len(stream.broadcasts()) == 1
    stream.stop()


def retrying(command: list[str]) -> list[str]:
    """The command again and again until it is let in: the ingest node needs a moment to come back."""
    return ["sh", "-c", 'for n in 1 2 3 4 5 6 7 8 9 10; do "$@" && exit 0; sleep 1; done', "publish", *command]


def test_the_stack_says_that_it_is_well(stack: LocalStack) -> None:
    eventually(lambda: fetch(f"{stack.api}/v1/health").json()["status"] == "ok", "everything answers")

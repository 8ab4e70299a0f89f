"""How long things may take while somebody waits, on the local stack: from the event to what people, or players, see of it."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import httpx

from bench.figures import Figure, Section
from tests.e2e.encoders import Picture, encoder, ffmpeg_command
from tests.e2e.local_stack import LocalStack, Stream, eventually, fetch, running_stack
from tests.e2e.test_failures import any_media_playlist, last_segment, workers_of
from tests.rtmp_publisher import enhanced_hevc_publisher, silent_publisher

PORT_OFFSET = 6000
ROUNDS = 2
LOOK_SECONDS = 0.05
SOURCE = Picture(size="640x360")
WINDOW_SECONDS = 3
# Seconds, by what is measured.
LIMITS = {
    "worker killed → its successor's first segment": 8.0,
    "worker that woke up without its lease → gone": 5.0,
    "worker told to stop → gone, all it had stored": 10.0,
    "stop → the encoder is dropped": 3.0,
    "stop → recording ready": 15.0,
    f"encoder gone → recording ready, after a window of {WINDOW_SECONDS} s": WINDOW_SECONDS + 15.0,
    "first playlist → status live": 2.0,
    "encoder frozen → no longer live": 15.0,
    "HEVC published → its owner is told": 10.0,
    "nothing but silence published → its owner is told": 10.0,
    "nothing but silence published → dropped": 30.0,
    "second start of the stack": 30.0,
    "Ctrl-C → the stack is gone": 10.0,
}


class Stopwatch:
    """Seconds by what was waited for."""

    def __init__(self) -> None:
        self.seen: dict[str, list[float]] = {name: [] for name in LIMITS}

    def until(self, name: str, true: Callable[[], object], began: float | None = None) -> None:
        began = time.monotonic() if began is None else began
        eventually(true, name, 60, LOOK_SECONDS)
        self.note(name, time.monotonic() - began)

    def note(self, name: str, seconds: float) -> None:
        self.seen[name].append(seconds)


def run() -> Section:
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        with running_stack(data, PORT_OFFSET) as stack:
            for _ in range(ROUNDS):
                for measure in (_killed_worker, _stopped_workers, _ends, _frozen, _unplayable):
                    measure(stack, watch)
        for _ in range(ROUNDS):
            _second_start(data, watch)
    return Section(
        title="Deadlines",
        taken_on=date.today().isoformat(),  # noqa: DTZ011
        method=(
            f"640 × 360 over RTMP, in {ROUNDS} rounds, looked for every {1000 * LOOK_SECONDS:.0f} ms from outside: "
            "playlists at the CDN's address, states by the API, processes by the system."
        ),
        figures=[Figure(name=name, unit="s", ours=seen, most=LIMITS[name]) for name, seen in watch.seen.items()],
    )


@contextmanager
def _on_the_air(stream: Stream) -> Iterator[str]:
    """While it is published: its live playlist's address, once there are three segments."""
    with encoder(ffmpeg_command(stream.publish_url, SOURCE)):
        live = stream.wait_for_playlist()
        eventually(lambda: fetch(any_media_playlist(live)).text.count("#EXTINF") >= 3, "three segments")
        yield live


def _second_start(data: Path, watch: Stopwatch) -> None:
    began = time.monotonic()
    with running_stack(data, PORT_OFFSET, stopped_by=signal.SIGINT):
        watch.note("second start of the stack", time.monotonic() - began)
        began = time.monotonic()
    watch.note("Ctrl-C → the stack is gone", time.monotonic() - began)


def _killed_worker(stack: LocalStack, watch: Stopwatch) -> None:
    stream = stack.create_stream()
    with _on_the_air(stream) as live:
        media = any_media_playlist(live)
        epoch = _epoch(media)
        [worker] = workers_of(stream)
        os.kill(worker, signal.SIGKILL)
        watch.until("worker killed → its successor's first segment", lambda: _epoch(media) != epoch)
    stream.stop()


def _stopped_workers(stack: LocalStack, watch: Stopwatch) -> None:
    stream = stack.create_stream()
    with _on_the_air(stream) as live:
        media = any_media_playlist(live)
        epoch = _epoch(media)
        [worker] = workers_of(stream)
        os.kill(worker, signal.SIGSTOP)
        try:
            eventually(lambda: _epoch(media) != epoch, "another worker takes over", 60)
        finally:
            os.kill(worker, signal.SIGCONT)
        watch.until("worker that woke up without its lease → gone", lambda: worker not in workers_of(stream))
        [successor] = workers_of(stream)
        os.kill(successor, signal.SIGTERM)
        watch.until("worker told to stop → gone, all it had stored", lambda: successor not in workers_of(stream))
    stream.stop()


def _ends(stack: LocalStack, watch: Stopwatch) -> None:
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, SOURCE)) as publishing:
        live = f"{stack.cdn}/{stream.stream_id}/live.m3u8"
        eventually(lambda: fetch(live).status_code == 200, "the first playlist", 60, LOOK_SECONDS)
        watch.until("first playlist → status live", lambda: stream.get()["status"] == "live")
        began = time.monotonic()
        stream.stop()
        watch.until("stop → the encoder is dropped", lambda: publishing.poll() is not None, began)
        watch.until("stop → recording ready", lambda: stream.broadcasts()[0]["status"] == "ready", began)
    stream = stack.create_stream(reconnect_window=WINDOW_SECONDS)
    with encoder(ffmpeg_command(stream.publish_url, SOURCE, seconds=6)) as publishing:
        stream.wait_for_playlist()
        publishing.wait()
    name = f"encoder gone → recording ready, after a window of {WINDOW_SECONDS} s"
    watch.until(name, lambda: stream.broadcasts()[0]["status"] == "ready")


def _frozen(stack: LocalStack, watch: Stopwatch) -> None:
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, SOURCE)) as publishing:
        stream.wait_for_playlist()
        eventually(lambda: stream.get()["status"] == "live", "live")
        publishing.send_signal(signal.SIGSTOP)
        try:
            watch.until("encoder frozen → no longer live", lambda: stream.get()["status"] != "live")
        finally:
            publishing.send_signal(signal.SIGCONT)
    stream.stop()


def _unplayable(stack: LocalStack, watch: Stopwatch) -> None:
    stream = stack.create_stream()
    with enhanced_hevc_publisher(stream.publish_url):
        watch.until("HEVC published → its owner is told", lambda: _notice(stream))
    stream = stack.create_stream()
    began = time.monotonic()
    with silent_publisher(stream.publish_url) as publisher:
        watch.until("nothing but silence published → its owner is told", lambda: _notice(stream), began)
        watch.until("nothing but silence published → dropped", publisher.dropped, began)


def _notice(stream: Stream) -> object:
    return stream.owner.call("GET", f"/streams/{stream.stream_id}/ingest")["health"].get("notice")


def _epoch(media_playlist: httpx.URL) -> str:
    """Of its last segment: the name begins with it."""
    return last_segment(media_playlist).rsplit("/", 1)[-1].split("-")[0]

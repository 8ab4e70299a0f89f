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
GIVE_UP_SECONDS = 60.0
SOURCE = Picture(size="640x360")
WINDOW_SECONDS = 3


class Stopwatch:
    """What was waited for, with its limit: seconds, round by round."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, float], list[float]] = {}

    def until(self, what: str, limit: float, happened: Callable[[], object], began: float | None = None) -> None:
        began = time.monotonic() if began is None else began
        eventually(happened, what, GIVE_UP_SECONDS, LOOK_SECONDS)
        self.note(what, limit, time.monotonic() - began)

    def note(self, what: str, limit: float, seconds: float) -> None:
        self._seen.setdefault((what, limit), []).append(seconds)

    def figures(self) -> list[Figure]:
        return [Figure(name=what, unit="s", ours=seen, most=limit) for (what, limit), seen in self._seen.items()]


def run() -> Section:
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        with running_stack(data, PORT_OFFSET) as stack:
            for _ in range(ROUNDS):
                for measure in (_killed_worker, _stopped_workers, _ends, _window, _frozen, _unplayable):
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
        figures=watch.figures(),
    )


@contextmanager
def _worker_on_the_air(stack: LocalStack) -> Iterator[tuple[Stream, httpx.URL, int]]:
    """A stream while it is published, a playlist of it with three segments, and its worker."""
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, SOURCE)):
        media = any_media_playlist(stream.wait_for_playlist())
        eventually(lambda: fetch(media).text.count("#EXTINF") >= 3, "three segments")
        [worker] = workers_of(stream)
        yield stream, media, worker
    stream.stop()


def _killed_worker(stack: LocalStack, watch: Stopwatch) -> None:
    with _worker_on_the_air(stack) as (_, media, worker):
        epoch = _epoch(media)
        os.kill(worker, signal.SIGKILL)
        watch.until("worker killed → its successor's first segment", 8, lambda: _epoch(media) != epoch)


def _stopped_workers(stack: LocalStack, watch: Stopwatch) -> None:
    with _worker_on_the_air(stack) as (stream, media, worker):
        epoch = _epoch(media)
        os.kill(worker, signal.SIGSTOP)
        try:
            eventually(lambda: _epoch(media) != epoch, "another worker takes over", GIVE_UP_SECONDS)
        finally:
            os.kill(worker, signal.SIGCONT)
        watch.until("worker that woke up without its lease → gone", 5, lambda: worker not in workers_of(stream))
        [successor] = workers_of(stream)
        os.kill(successor, signal.SIGTERM)
        watch.until("worker told to stop → gone", 10, lambda: successor not in workers_of(stream))


def _ends(stack: LocalStack, watch: Stopwatch) -> None:
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, SOURCE)) as publishing:
        live = f"{stack.cdn}/{stream.stream_id}/live.m3u8"
        eventually(lambda: fetch(live).status_code == 200, "the first playlist", GIVE_UP_SECONDS, LOOK_SECONDS)
        watch.until("first playlist → status live", 2, lambda: stream.get()["status"] == "live")
        began = time.monotonic()
        stream.stop()
        watch.until("stop → the encoder is dropped", 3, lambda: publishing.poll() is not None, began)
        watch.until("stop → recording ready", 15, lambda: _is_ready(stream), began)


def _window(stack: LocalStack, watch: Stopwatch) -> None:
    stream = stack.create_stream(reconnect_window=WINDOW_SECONDS)
    with encoder(ffmpeg_command(stream.publish_url, SOURCE, seconds=6)) as publishing:
        stream.wait_for_playlist()
        publishing.wait()
    what = f"encoder gone → recording ready, after a window of {WINDOW_SECONDS} s"
    watch.until(what, WINDOW_SECONDS + 15, lambda: _is_ready(stream))


def _frozen(stack: LocalStack, watch: Stopwatch) -> None:
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, SOURCE)) as publishing:
        stream.wait_for_playlist()
        publishing.send_signal(signal.SIGSTOP)
        try:
            watch.until("encoder frozen → no longer live", 15, lambda: stream.get()["status"] != "live")
        finally:
            publishing.send_signal(signal.SIGCONT)
    stream.stop()


def _unplayable(stack: LocalStack, watch: Stopwatch) -> None:
    stream = stack.create_stream()
    with enhanced_hevc_publisher(stream.publish_url):
        watch.until("HEVC published → its owner is told", 10, lambda: _notice(stream))
    stream = stack.create_stream()
    began = time.monotonic()
    with silent_publisher(stream.publish_url) as publisher:
        watch.until("nothing playable published → its owner is told", 10, lambda: _notice(stream), began)
        watch.until("nothing playable published → dropped", 30, publisher.dropped, began)


def _second_start(data: Path, watch: Stopwatch) -> None:
    began = time.monotonic()
    with running_stack(data, PORT_OFFSET, stopped_by=signal.SIGINT):
        watch.note("second start of the stack", 30, time.monotonic() - began)
        began = time.monotonic()
    watch.note("Ctrl-C → the stack is gone", 10, time.monotonic() - began)


def _notice(stream: Stream) -> object:
    return stream.owner.call("GET", f"/streams/{stream.stream_id}/ingest")["health"].get("notice")


def _is_ready(stream: Stream) -> bool:
    return bool(stream.broadcasts()[0]["status"] == "ready")


def _epoch(media_playlist: httpx.URL) -> str:
    """Of its last segment: the name begins with it."""
    return last_segment(media_playlist).rsplit("/", 1)[-1].split("-")[0]

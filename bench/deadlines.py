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
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from bench.figures import Figure, Section
from tests.e2e.encoders import Picture, encoder, ffmpeg_command
from tests.e2e.local_stack import LocalStack, Stream, eventually, fetch, running_stack
from tests.e2e.test_failures import any_media_playlist, last_segment, workers_of
from tests.e2e.test_people import make_admin
from tests.e2e.test_private_media import newest_segment
from tests.rtmp_publisher import enhanced_hevc_publisher, silent_publisher

PORT_OFFSET = 6000
ROUNDS = 2
LOOK_SECONDS = 0.05
GIVE_UP_SECONDS = 120.0
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
        return [Figure(name=what, unit="s", ours=seen, never_over=limit) for (what, limit), seen in self._seen.items()]


def run() -> Section:
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        with running_stack(data, PORT_OFFSET) as stack:
            for _ in range(ROUNDS):
                for measure in (
                    *(_killed_worker, _stopped_workers, _ends, _window, _frozen, _unplayable),
                    *(_rotated, _suspended, _no_longer_allowed, _deleted),
                ):
                    measure(stack, watch)
        for _ in range(ROUNDS):
            _second_start(data, watch)
    return Section(
        title="Deadlines",
        taken_on=date.today().isoformat(),  # noqa: DTZ011
        method=(
            f"640 × 360 over RTMP, in {ROUNDS} rounds, of which each has to keep the limit; looked for from outside every "
            f"{1000 * LOOK_SECONDS:.0f} ms: media at the CDN's address, states by the API, processes by the system."
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
        watch.until("worker killed → its successor's first segment", 8, lambda: _is_after(epoch, media))


def _stopped_workers(stack: LocalStack, watch: Stopwatch) -> None:
    with _worker_on_the_air(stack) as (stream, media, worker):
        epoch = _epoch(media)
        os.kill(worker, signal.SIGSTOP)
        try:
            eventually(lambda: _is_after(epoch, media), "another worker takes over", GIVE_UP_SECONDS)
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
        watch.until("stop → status offline", 2, lambda: stream.get()["status"] == "offline", began)
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
    began = time.monotonic()
    with enhanced_hevc_publisher(stream.publish_url):
        watch.until("HEVC published → its owner is told", 10, lambda: _notice(stream), began)
    stream = stack.create_stream()
    began = time.monotonic()
    with silent_publisher(stream.publish_url) as publisher:
        watch.until("nothing playable published → its owner is told", 10, lambda: _notice(stream), began)
        watch.until("nothing playable published → dropped", 30, publisher.dropped, began)


def _rotated(stack: LocalStack, watch: Stopwatch) -> None:
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, SOURCE)) as publishing:
        stream.wait_for_status("live")
        began = time.monotonic()
        stream.owner.api.streams.rotate_key(stream.stream_id)
        watch.until(
            "key rotated → the encoder on the old one is dropped", 5, lambda: publishing.poll() is not None, began
        )
    stream.stop()


def _suspended(stack: LocalStack, watch: Stopwatch) -> None:
    admin, spammer = stack.register("admin"), stack.register("spammer")
    make_admin(stack, admin)
    stream = stack.create_stream(spammer)
    ticket = spammer.call("POST", "/chat/tickets")["ticket"]
    with (
        encoder(ffmpeg_command(stream.publish_url, SOURCE)) as publishing,
        connect(f"{stack.ws}?ticket={ticket}", proxy=None) as socket,
    ):
        live = stream.wait_for_playlist()
        began = time.monotonic()
        admin.api.admin.suspend(spammer.username, "Sells sunglasses")
        watch.until("suspended → chat socket closed", 5, lambda: _is_closed(socket), began)
        watch.until("suspended → the encoder is dropped", 5, lambda: publishing.poll() is not None, began)
        watch.until("suspended → the playlist is gone", 5, lambda: fetch(live).status_code == 404, began)


def _no_longer_allowed(stack: LocalStack, watch: Stopwatch) -> None:
    stream, friend = stack.create_stream(privacy="private"), stack.register("friend")
    stream.owner.api.streams.allow_viewer(stream.stream_id, friend.username)
    with encoder(ffmpeg_command(stream.publish_url, SOURCE)):
        stream.wait_for_status("live")
        opened = friend.call("POST", f"/streams/{stream.stream_id}/playback-session")
        live, cookies = opened["playback"]["hls"], opened["access"]["cookies"]
        eventually(lambda: fetch(live, cookies=cookies).status_code == 200, "a friend watches", GIVE_UP_SECONDS)
        segment = newest_segment(live, cookies)
        began = time.monotonic()
        stream.owner.api.streams.disallow_viewer(stream.stream_id, friend.username)
        what = "taken off the allow list → segments are refused"
        watch.until(what, 60, lambda: fetch(segment, cookies=cookies).status_code == 403, began)
    stream.stop()


def _deleted(stack: LocalStack, watch: Stopwatch) -> None:
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, SOURCE, seconds=6)) as publishing:
        stream.wait_for_playlist()
        publishing.wait()
    stream.stop()
    recording = stream.wait_for_recording()
    playlist = recording["playback"]["hls"]
    segment = newest_segment(playlist, {})
    began = time.monotonic()
    stream.owner.api.broadcasts.delete(recording["id"])
    what = "recording deleted → its playlist and its segments are gone"
    watch.until(what, 60, lambda: all(fetch(url).status_code == 404 for url in (playlist, segment)), began)


def _second_start(data: Path, watch: Stopwatch) -> None:
    began = time.monotonic()
    with running_stack(data, PORT_OFFSET, stopped_by=signal.SIGINT):
        watch.note("second start of the stack", 30, time.monotonic() - began)
        began = time.monotonic()
    watch.note("Ctrl-C → the stack is gone", 10, time.monotonic() - began)


def _notice(stream: Stream) -> object:
    return stream.owner.call("GET", f"/streams/{stream.stream_id}/ingest")["health"].get("notice")


def _is_ready(stream: Stream) -> bool:
    newest = stream.broadcasts()[:1]  # none, until history has been told
    return any(each["status"] == "ready" for each in newest)


def _is_closed(socket: ClientConnection) -> bool:
    try:
        socket.recv(timeout=0)
    except TimeoutError:
        return False
    except ConnectionClosed:
        return True
    return False  # something was said


def _is_after(epoch: str, media_playlist: httpx.URL) -> bool:
    """Whether a worker after that of `epoch` has written segments."""
    return _epoch(media_playlist) not in ("", epoch)


def _epoch(media_playlist: httpx.URL) -> str:
    """Of its last segment: the name begins with it. Empty when there is none."""
    return last_segment(media_playlist).rsplit("/", 1)[-1].split("-")[0]

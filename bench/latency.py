"""Publish → first playable, and glass to glass, against nginx-rtmp's own HLS with 2 s fragments in the same run.

First playable: the same encoder publishes to the one, then to the other. Glass to glass: one encoder publishes to both at
once; the watch page, and a page of bare hls.js at its defaults on nginx-rtmp's playlist, are opened at the same moment, and
the stamps are read back from the pictures on screen. The same once more with bare hls.js on both, side by side in one page.
"""

from __future__ import annotations

import json
import random
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from urllib.parse import urljoin

import httpx
from playwright.sync_api import Browser, sync_playwright

from bench.figures import Figure, Section, Table
from bench.stamped_source import KEYFRAME_SECONDS, READ_AGES, stamped_publisher
from tests.browser import CHROMIUM, CHROMIUM_ARGUMENTS
from tests.e2e.local_stack import ROOT, LocalStack, running_stack
from tests.ports import free_port

PAGE = """<!doctype html><meta charset=utf-8>
<script type=module>
import Hls from '/vendor/hls.js/dist/hls.min.mjs';
for (const source of new URLSearchParams(location.search).getAll('src')) {
  const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true });
  document.body.append(video);
  const hls = new Hls();
  hls.loadSource(source);
  hls.attachMedia(video);
}
</script>"""
# The page comes from the stack's own origin; it may ask the peer, which is another one on loopback.
BROWSER_ARGUMENTS = [*CHROMIUM_ARGUMENTS, "--disable-features=LocalNetworkAccessChecks"]
NGINX_MODULE = "/usr/lib/nginx/modules/ngx_rtmp_module.so"
PORT_OFFSET = 6000
PEER = "nginx-rtmp's HLS"
SOURCE = f"640 × 360 at 30 pictures a second, a keyframe every {KEYFRAME_SECONDS} s, x264 ultrafast zerolatency."
STARTS, JOINS = 5, 8
SPARSE_SECONDS, SPARSE_STARTS = 4, 3  # of an encoder that was not told to send keyframes more often
GIVE_UP_SECONDS = 60.0
POLL_SECONDS = 0.02
CALM_SECONDS = 4.0  # before each start: neither begins while the other is still winding down
ESTABLISHED_SECONDS = 14.0  # an audience joins a broadcast that runs: more of it exists than hls.js stays behind
SETTLE_SECONDS, WATCH_SECONDS = 6.0, 2.0

# (in whose log, the line, what had to be done until then)
_MILESTONES = (
    ("ingest.log", "publish accepted", "encoder starts, RTMP handshake, hook to the API and its answer"),
    ("ecs.log", " runs headwater/ffmpeg-worker", "outbox, SQS, dispatcher, RunTask"),
    ("worker-*.log", "following a publish session", "worker: interpreter, imports, lease, hot state"),
    ("worker-*.log", "epoch begins", "the source from its first frame on, out of the node's buffer; FFmpeg starts"),
)
_LAST_MILESTONE = (
    "the segment itself (until the keyframe after it), transcoding, storing, playlists, and the viewer's requests"
)


def run() -> Section:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is another user
        with running_stack(folder / "data", PORT_OFFSET) as stack, nginx_hls(folder / "peer") as (rtmp, web):
            first = [_start(stack, rtmp, web, f"start{number}") for number in range(STARTS + 1)]
            sparse = [_start(stack, rtmp, web, f"sparse{number}", SPARSE_SECONDS) for number in range(SPARSE_STARTS)]
            watched, bare = _watch(stack, rtmp, web)
    cold, warm = first[0], first[1:]
    table = Table(
        title="Where the time from publish to first playable goes (medians):",
        head=("seconds", "since the start", ""),
        rows=list(_milestone_rows([milestones for _, _, milestones in warm])),
    )
    method = (
        f"{SOURCE} First playable is from the encoder's start to the last byte of the first media segment, asked for "
        f"every {1000 * POLL_SECONDS:.0f} ms; the first broadcast of a fresh stack is told apart, for its functions start "
        f"cold. Glass to glass is the age of the pictures in headless Chromium, joined {JOINS} times at random moments of a "
        "running broadcast, each time after playback has settled."
    )
    return Section(
        title="Latency",
        taken_on=date.today().isoformat(),  # noqa: DTZ011
        method=method,
        figures=[
            Figure(
                name="publish → first playable",
                unit="s",
                ours=[ours for ours, _, _ in warm],
                peer_name=PEER,
                peer=[theirs for _, theirs, _ in warm],
                most_of_peer=1.0,
            ),
            *(
                Figure(
                    name=name,
                    unit="s",
                    ours=[ours for ours, _ in ages],
                    peer_name=PEER,
                    peer=[theirs for _, theirs in ages],
                    most_of_peer=1.0,
                )
                for name, ages in (
                    ("glass to glass, on the watch page", watched),
                    ("glass to glass, bare hls.js on both", bare),
                )
            ),
            Figure(
                name=f"publish → first playable, a keyframe every {SPARSE_SECONDS} s",
                unit="s",
                ours=[ours for ours, _, _ in sparse],
                peer_name=PEER,
                peer=[theirs for _, theirs, _ in sparse],
            ),
            Figure(name="publish → first playable, cold", unit="s", ours=[cold[0]], peer_name=PEER, peer=[cold[1]]),
        ],
        tables=[table],
    )


@contextmanager
def nginx_hls(folder: Path) -> Iterator[tuple[str, str]]:
    """The peer while it runs: (RTMP URL, HTTP base URL)."""
    for made in (folder, folder / "hls"):
        made.mkdir()
        made.chmod(0o777)
    rtmp_port, http_port = free_port(), free_port()
    template = (ROOT / "bench/peers/nginx-hls.conf").read_text()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        template.format(module=NGINX_MODULE, folder=folder, rtmp_port=rtmp_port, http_port=http_port)
    )
    command = ["/usr/sbin/nginx", "-c", str(configuration), "-p", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=10)) as http:
            http.get(f"http://127.0.0.1:{http_port}/")
        yield f"rtmp://127.0.0.1:{rtmp_port}/live", f"http://127.0.0.1:{http_port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def first_playable(http: httpx.Client, url: str, began: float) -> float:
    """Ask as an eager player would, until a media segment that `url` leads to has been fetched; seconds since `began`."""
    while time.monotonic() - began < GIVE_UP_SECONDS:
        target = url
        while True:
            answer = http.get(target)
            if answer.status_code != 200:
                break
            if not target.endswith(".m3u8"):
                return time.monotonic() - began
            uris = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
            if not uris:
                break
            target = urljoin(target, uris[0])
        time.sleep(POLL_SECONDS)
    raise TimeoutError(url)


def _start(
    stack: LocalStack, rtmp: str, web: str, name: str, keyframe_seconds: int = KEYFRAME_SECONDS
) -> tuple[float, float, Mapping[str, float]]:
    """One broadcast to each, one after the other: first playable of ours, of the peer's, and our milestones."""
    stream = stack.create_stream()
    time.sleep(CALM_SECONDS)
    began_at = time.time()
    with httpx.Client(timeout=5) as http:
        with stamped_publisher([stream.publish_url], keyframe_seconds) as began:
            ours = first_playable(http, f"{stack.cdn}/{stream.stream_id}/live.m3u8", began)
        milestones = _milestones(stack.data / "logs", began_at)
        stream.stop()
        time.sleep(CALM_SECONDS)
        with stamped_publisher([f"{rtmp}/{name}"], keyframe_seconds) as began:
            theirs = first_playable(http, f"{web}/hls/{name}.m3u8", began)
    return ours, theirs, {**milestones, _LAST_MILESTONE: ours}


def _milestones(logs: Path, began_at: float) -> dict[str, float]:
    """When the last broadcast reached them, in seconds since `began_at` (Unix time)."""
    found: dict[str, float] = {}
    for pattern, phrase, description in _MILESTONES:
        newest = max(logs.glob(pattern), key=lambda path: path.stat().st_mtime)
        line = next(line for line in reversed(newest.read_text().splitlines()) if phrase in line)
        at = json.loads(line)["timestamp"] if line.startswith("{") else line[:23]
        found[description] = datetime.fromisoformat(at.replace(",", ".")).timestamp() - began_at
    return found


def _milestone_rows(broadcasts: Sequence[Mapping[str, float]]) -> Iterator[Sequence[str]]:
    reached = 0.0
    for description in broadcasts[0]:
        at = statistics.median(broadcast[description] for broadcast in broadcasts)
        yield f"{at - reached:.2f}", f"{at:.2f}", description
        reached = at


Ages = list[tuple[float, float]]  # of the pictures on screen, in seconds: ours and the peer's


def _watch(stack: LocalStack, rtmp: str, web: str) -> tuple[Ages, Ages]:
    """One broadcast to both, joined again and again: as people watch, and with the same player for both."""
    stream = stack.create_stream()
    playlists = (f"{stack.cdn}/{stream.stream_id}/live.m3u8", f"{web}/hls/watch.m3u8")
    with (
        stamped_publisher([stream.publish_url, f"{rtmp}/watch"]) as began,
        sync_playwright() as playwright,
        httpx.Client(timeout=5) as http,
    ):
        for playlist in playlists:
            first_playable(http, playlist, began)
        time.sleep(ESTABLISHED_SECONDS)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
        watch_page = f"{stack.web}/watch/{stream.stream_id}"
        peers_page = f"{stack.web}/bench?src={playlists[1]}"
        both = f"{stack.web}/bench?src={playlists[0]}&src={playlists[1]}"
        _warm_up(browser, watch_page)
        watched, bare = [], []
        for _ in range(JOINS):
            time.sleep(random.uniform(0, 2))  # players join at any moment of a segment
            ((ours,), (theirs,)) = _glass_to_glass(browser, watch_page, peers_page)
            watched.append((ours, theirs))
            time.sleep(random.uniform(0, 2))
            ((ours, theirs),) = _glass_to_glass(browser, both)
            bare.append((ours, theirs))
        browser.close()
    stream.stop()
    return watched, bare


def _warm_up(browser: Browser, watch_page: str) -> None:
    """The functions that only pages call start at the first one's calls."""
    page = browser.new_page()
    page.goto(watch_page)
    for _ in range(60):  # by hand: the page's policy lets nobody evaluate text in it again and again
        if page.evaluate("document.querySelector('video')?.currentTime > 1"):
            break
        time.sleep(1)
    page.close()


def _glass_to_glass(browser: Browser, *addresses: str) -> list[list[float]]:
    """The median age in seconds of the pictures on each page opened, once playback has settled, by page and player."""
    pages = [browser.new_page() for _ in addresses]
    for page, address in zip(pages, addresses, strict=True):
        page.route(re.compile(r"/bench\?"), lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        page.goto(address, wait_until="commit")
    time.sleep(SETTLE_SECONDS)
    ages: list[dict[int, list[float]]] = [{} for _ in pages]
    until = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < until:
        for seen_on_page, page in zip(ages, pages, strict=True):
            for player, age in enumerate(page.evaluate(READ_AGES)):
                if age is not None:
                    seen_on_page.setdefault(player, []).append(age / 1000)
        time.sleep(0.05)
    for page in pages:
        page.close()
    if not all(ages):
        raise RuntimeError("no picture with a readable stamp")
    return [[statistics.median(seen) for seen in seen_on_page.values()] for seen_on_page in ages]

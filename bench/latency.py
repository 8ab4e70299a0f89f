"""Publish → first playable, and glass to glass, against nginx-rtmp's own HLS with 2 s fragments in the same run.

One encoder publishes the same stamped frames to both. The same bare hls.js page, with hls.js's defaults, plays both; the
stamp is read back from the played picture.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx
from playwright.sync_api import Browser, sync_playwright

from bench.stamped_source import READ_STAMP, stamped_publisher
from tests.e2e.conftest import CHROMIUM, CHROMIUM_ARGUMENTS
from tests.e2e.local_stack import ROOT, LocalStack

PAGE = """<!doctype html><meta charset=utf-8><video muted autoplay playsinline></video>
<script type=module>
import Hls from '/vendor/hls.js/dist/hls.min.mjs';
const hls = new Hls();
hls.loadSource(new URLSearchParams(location.search).get('src'));
hls.attachMedia(document.querySelector('video'));
</script>"""
NGINX_MODULE = "/usr/lib/nginx/modules/ngx_rtmp_module.so"


@dataclass(frozen=True)
class Latency:
    """Seconds: until a playlist names a fetchable segment, and from a frame's making to its being on screen."""

    first_playable: float
    glass_to_glass: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def nginx_hls(folder: Path) -> Iterator[tuple[str, str]]:
    """The peer while it runs: (RTMP URL, HTTP base URL)."""
    pages = folder / "pages"
    pages.mkdir(parents=True)
    (pages / "play.html").write_text(PAGE)
    (folder / "hls").mkdir()
    folder.chmod(0o777)
    (folder / "hls").chmod(0o777)
    rtmp_port, http_port = free_port(), free_port()
    configuration = folder / "nginx.conf"
    template = (ROOT / "bench/peers/nginx-hls.conf").read_text()
    configuration.write_text(
        template.format(
            module=NGINX_MODULE,
            folder=folder,
            rtmp_port=rtmp_port,
            http_port=http_port,
            vendor=ROOT / "node_modules",
            pages=pages,
        )
    )
    process = subprocess.Popen(
        ["/usr/sbin/nginx", "-c", str(configuration), "-p", str(folder)], stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(1)
        yield f"rtmp://127.0.0.1:{rtmp_port}/live", f"http://127.0.0.1:{http_port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def first_playable(url: str, began: float, found: dict[str, float]) -> None:
    """Poll `url` as an eager player would, until a segment that it leads to can be fetched."""
    with httpx.Client(timeout=5) as http:
        while time.monotonic() - began < 60:
            target = url
            for _ in range(3):
                answer = http.get(target)
                if answer.status_code != 200:
                    break
                if not target.endswith(".m3u8"):
                    found[url] = time.monotonic() - began
                    return
                uris = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
                if not uris:
                    break
                target = urljoin(target, uris[0])
            time.sleep(0.02)


def glass_to_glass(browser: Browser, page_url: str, playlist: str, seconds: float) -> float:
    """Median age in seconds of the frames on screen, once playback has settled."""
    page = browser.new_page()
    page.goto(f"{page_url}?src={playlist}")
    ages: list[float] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        age = page.evaluate(READ_STAMP)
        if age is not None:
            ages.append(age / 1000)
        time.sleep(0.1)
    page.close()
    return statistics.median(ages[len(ages) // 2 :])


def measure(stack: LocalStack, folder: Path, rounds: int = 3, settle_seconds: float = 20) -> dict[str, list[Latency]]:
    """`rounds` broadcasts, each to both: {"headwater": […], "nginx-rtmp": […]}."""
    results: dict[str, list[Latency]] = {"headwater": [], "nginx-rtmp": []}
    with sync_playwright() as playwright, nginx_hls(folder) as (rtmp, http):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        for number in range(rounds):
            stream = stack.create_stream()
            ours = f"{stack.cdn}/{stream.stream_id}/live.m3u8"
            theirs = f"{http}/hls/round{number}.m3u8"
            playable: dict[str, float] = {}
            began = time.monotonic()
            with stamped_publisher([stream.publish_url, f"{rtmp}/round{number}"]):
                watchers = [
                    threading.Thread(target=first_playable, args=(url, began, playable)) for url in (ours, theirs)
                ]
                for watcher in watchers:
                    watcher.start()
                for watcher in watchers:
                    watcher.join()
                for name, playlist in (("headwater", ours), ("nginx-rtmp", theirs)):
                    glass = glass_to_glass(browser, f"{http}/play.html", playlist, settle_seconds)
                    results[name].append(Latency(playable[playlist], glass))
            stream.stop()
        browser.close()
    return results

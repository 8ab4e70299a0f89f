"""Watches a broadcast as a strict player would: keeps every version of every playlist, fetches every URI at once."""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from datetime import timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from urllib.parse import urljoin

import httpx

_URI_ATTRIBUTE = re.compile(r'URI="([^"]+)"')
POLL_SECONDS = 0.4


def uris_of(playlist: str) -> list[str]:
    """Every URI that a playlist names and that must be fetchable; segments marked EXT-X-GAP are not meant to be."""
    uris: list[str] = []
    gap = False
    for line in playlist.splitlines():
        if line.startswith("#EXT-X-GAP"):
            gap = True
        elif line.startswith("#"):
            uris += _URI_ATTRIBUTE.findall(line)
        elif line.strip():
            if not gap:
                uris.append(line.strip())
            gap = False
    return uris


class PlaylistRecorder:
    """Use as a context manager around a broadcast. Afterwards `versions[url]` holds the texts, oldest first, and
    `unfetchable` what a playlist named and the CDN did not serve at that moment."""

    def __init__(self, multivariant_url: str) -> None:
        self.url = multivariant_url
        self.versions: dict[str, list[str]] = defaultdict(list)
        self.bodies: dict[str, bytes] = {}
        self.unfetchable: list[str] = []
        self.held_for: defaultdict[str, list[timedelta]] = defaultdict(list)  # by caches, while live
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="playlist-recorder")

    def __enter__(self) -> PlaylistRecorder:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        with httpx.Client(timeout=60) as http:
            while not self._stop.is_set():
                started = time.monotonic()
                self._look(http, self.url)
                self._stop.wait(max(0.0, POLL_SECONDS - (time.monotonic() - started)))

    def _look(self, http: httpx.Client, url: str) -> None:
        answer = http.get(url)
        if answer.status_code != 200:
            return
        if "#EXT-X-ENDLIST" not in answer.text:
            self.held_for[url].append(_held_for(answer.headers))
        known = self.versions[url]
        if not known or known[-1] != answer.text:
            known.append(answer.text)
        for uri in uris_of(answer.text):
            target = urljoin(url, uri)
            if target.endswith(".m3u8"):
                self._look(http, target)
            elif target not in self.bodies:
                found = http.get(target)
                if found.status_code == 200 and found.content:
                    self.bodies[target] = found.content
                else:
                    self.unfetchable.append(f"{target} → {found.status_code}, named by {url}")

    @property
    def media_playlists(self) -> dict[str, list[str]]:
        return {url: texts for url, texts in self.versions.items() if url != self.url}


def _held_for(headers: httpx.Headers) -> timedelta:
    """RFC 9111 § 4.2.1, for what our origin sends."""
    if found := re.search(r"max-age=(\d+)", headers["cache-control"]):
        return timedelta(seconds=int(found[1]))
    return parsedate_to_datetime(headers["expires"]) - parsedate_to_datetime(headers["date"])

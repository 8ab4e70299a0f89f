"""Runs one whole local stack for the end-to-end tests, on ports and folders of its own, and speaks its public contract."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from headwater_client import Headwater
from headwater_client.answers import Ingest

ROOT = Path(__file__).parents[2]
IAM = {"HEADWATER_IAM": os.environ.get("HEADWATER_IAM", "enforced")}
"""A stack's setting: what a role lacks is missed here and not on AWS. Set it to nothing to run without."""
LIMIT_SECONDS = 150.0  # for anything to happen: generous, for it measures nothing
T = TypeVar("T")


def eventually(probe: Callable[[], T | None], what: str, seconds: float = LIMIT_SECONDS, every: float = 0.2) -> T:
    """The first true answer of `probe`; fails naming `what` when there is none."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"did not happen within {seconds:.0f} s: {what}"
        time.sleep(every)


def fetch(url: httpx.URL | str, **options: Any) -> httpx.Response:
    return httpx.get(url, timeout=60, **options)


@dataclass(frozen=True)
class Person:
    """A signed-in user of the REST API."""

    http: httpx.Client
    username: str
    user_id: str
    access_token: str = field(repr=False)

    @cached_property
    def api(self) -> Headwater:
        return Headwater(http=self.http, token=self.access_token)

    def call(self, method: str, path: str, body: Any = None, expect: int | None = None) -> Any:
        answer = self.api.connection.call(method, "/v1" + path, body)
        if expect is None:
            assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        else:
            assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None


@dataclass(frozen=True)
class Stream:
    """A stream of `owner`, and where to publish to it."""

    owner: Person
    stream_id: str
    rtmp_url: str
    stream_key: str = field(repr=False)

    @property
    def publish_url(self) -> str:
        return f"{self.rtmp_url}/{self.stream_key}"

    def get(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self.owner.api.streams.get(self.stream_id))
        return found

    def broadcasts(self) -> list[dict[str, Any]]:
        return [msgspec.to_builtins(item) for item in self.owner.api.streams.broadcasts(self.stream_id)]

    def stop(self) -> None:
        self.owner.api.streams.stop(self.stream_id)

    def wait_for_status(self, status: str, seconds: float = LIMIT_SECONDS) -> dict[str, Any]:
        return eventually(
            lambda: found if (found := self.get())["status"] == status else None, f"status {status}", seconds
        )

    def wait_for_playlist(self, seconds: float = LIMIT_SECONDS) -> str:
        """The URL of the live multivariant playlist, once it answers."""
        hls: str = self.wait_for_status("live", seconds)["playback"]["hls"]
        eventually(lambda: fetch(hls).status_code == 200, f"{hls} answers", seconds)
        return hls

    def wait_for_recording(self, seconds: float = LIMIT_SECONDS) -> dict[str, Any]:
        """The newest broadcast, once it is ready (or has failed)."""
        return eventually(
            lambda: all_[0] if (all_ := self.broadcasts()) and all_[0]["status"] in ("ready", "failed") else None,
            "the recording is ready",
            seconds,
        )


@dataclass
class LocalStack:
    api: str
    ws: str
    cdn: str
    web: str
    rtmp: str
    data: Path
    log: Path
    http: httpx.Client
    people: int = field(default=0)

    @property
    def emulator(self) -> str:
        """The endpoint that stands for AWS."""
        return f"http://127.0.0.1:{self.port(14566)}"

    def port(self, usual: int) -> int:
        """Where what usually listens on `usual` does so in this stack."""
        return usual + (httpx.URL(self.api).port or 0) - 8000

    def register(self, name: str = "streamer") -> Person:
        self.people += 1
        username = f"{name}{self.people}_{os.getpid()}"
        tokens = Headwater(http=self.http).auth.register(
            username, f"{username}@example.com", "correct-horse-battery-staple"
        )
        return Person(self.http, username, tokens.user.id, tokens.access_token)

    def create_stream(self, owner: Person | None = None, **settings: Any) -> Stream:
        owner = owner or self.register()
        stream = owner.api.streams.create(**{"title": "End to end", **settings})
        asked = owner.api.streams.open_ingest(stream.id)

        def opened() -> Ingest | None:
            found = asked if asked.state == "open" else owner.api.streams.ingest(stream.id)
            return found if found.state == "open" else None

        ingest = eventually(opened, "there is an ingest node")
        assert ingest.rtmp_url is not None
        return Stream(owner, stream.id, ingest.rtmp_url, ingest.stream_key)


def endpoints_file(data: Path) -> Path:
    return data / "run" / "endpoints.json"


@contextmanager
def ready_stack(data: Path, log: Path) -> Iterator[LocalStack]:
    """The stack that is running on `data` already."""
    urls = json.loads(endpoints_file(data).read_text())
    names = ("api", "ws", "cdn", "web", "rtmp")
    with httpx.Client(base_url=urls["api"], timeout=60) as http:
        yield LocalStack(**{name: urls[name] for name in names}, data=data, log=log, http=http)


def stack_environment(data: Path, port_offset: int) -> dict[str, str]:
    return {
        **os.environ,
        "HEADWATER_DATA": str(data),
        "HEADWATER_PORT_OFFSET": str(port_offset),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'localstack'}",
    }


def start_stack(environment: Mapping[str, str], log: Path, command: str = "up") -> subprocess.Popen[bytes]:
    """`python -m localrun up` (or `demo`), which is told to stop should the tests be killed."""
    with log.open("wb") as output:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig=TERM", "--", sys.executable, "-m", "localrun", command],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )


@contextmanager
def running_stack(
    data: Path,
    port_offset: int,
    *,
    stopped_by: signal.Signals = signal.SIGTERM,
    settings: Mapping[str, str] | None = None,
    command: str = "up",
) -> Iterator[LocalStack]:
    """A stack from when its endpoints are ready; on leaving it is told to stop, and must go cleanly."""
    log = data.parent / f"{data.name}.log"
    endpoints_file(data).unlink(missing_ok=True)  # a killed stack could not remove it, and we wait for the new one
    process = start_stack(stack_environment(data, port_offset) | dict(settings or {}), log, command)
    try:
        deadline = time.monotonic() + 400
        while not endpoints_file(data).exists():
            assert process.poll() is None, f"the stack ended early:\n{log.read_text()[-4000:]}"
            assert time.monotonic() < deadline, f"the stack is not ready:\n{log.read_text()[-4000:]}"
            time.sleep(0.2)
        with ready_stack(data, log) as stack:
            yield stack
    finally:
        process.send_signal(stopped_by)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

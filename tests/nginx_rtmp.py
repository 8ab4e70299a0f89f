"""Real ingest nodes for tests: `python -m rtmp_ingest` with Debian's nginx, and real encoders and players against it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from headwater.media.flv import Tag, TagReader
from headwater.media.source_mark import is_mark
from tests.ports import free_port
from tests.processes import end
from tests.rtmp_publisher import RtmpPublisher

ROOT = Path(__file__).parents[1]
SET_CHUNK_SIZE, COMMAND = 1, 20  # RTMP message types
SIGNING_KEY = "a hook signing key for tests only"


def eventually(holds: Callable[[], object], seconds: float = 60.0) -> bool:
    """Whether `holds` came true in time. The limit is generous: it measures nothing."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        if holds():
            return True
        time.sleep(0.05)
    return bool(holds())


class IngestNode:
    """One run of an ingest node. A second one with the same `state_dir` finds what the first left behind."""

    def __init__(
        self,
        state_dir: Path,
        hooks_url: str,
        *,
        host: str = "127.0.0.1",
        pull_allow: str = "127.0.0.0/8",
        rtmp_port: int = 0,
        drain_seconds: str = "0",
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.rtmp_port = rtmp_port or free_port()
        self.loopback_port, self.relay_port = free_port(), free_port()
        self.pull_port = free_port()
        self.base = f"rtmp://{host}:{self.rtmp_port}/live"
        self.pull_base = f"http://{host}:{self.pull_port}/sources"
        self.state_dir = state_dir
        state_dir.mkdir(parents=True, exist_ok=True)
        self.log_path = state_dir / "log"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{ROOT / 'containers/rtmp-ingest'}",
            "RTMP_LISTEN": f"{host}:{self.rtmp_port}",
            "LOOPBACK_PORT": str(self.loopback_port),
            "RELAY_PORT": str(self.relay_port),
            "HOOKS_URL": hooks_url,
            "HOOK_SIGNING_KEY": SIGNING_KEY,
            "PULL_LISTEN": f"{host}:{self.pull_port}",
            "PULL_BASE": self.pull_base,
            "PULL_ALLOW": pull_allow,
            "STATE_DIR": str(state_dir),
            "DRAIN_SECONDS": drain_seconds,
            **(more or {}),
        }
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rtmp_ingest"], env=environment, stdout=log, stderr=log, cwd=state_dir
            )
        if not eventually(lambda: self.process.poll() is not None or "ready node=" in self.log()):
            self.stop()
        assert self.process.poll() is None, self.log()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.loopback_port}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def stat(self) -> str:
        return self.get("/stat")

    def health(self) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.loopback_port}/health", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def nginx_pid(self) -> int:
        return int((self.state_dir / "nginx.pid").read_text())

    def is_listening(self) -> bool:
        host = self.base.split("/")[2].rpartition(":")[0]
        own = [(host, self.rtmp_port), (host, self.pull_port)]
        for address in [*own, ("127.0.0.1", self.loopback_port), ("127.0.0.1", self.relay_port)]:
            with socket.socket() as probe:
                if probe.connect_ex(address) == 0:
                    return True
        return False

    def stop(self) -> int:
        """TERM, as ECS and the local stack do; the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@contextmanager
def ingest_node(state_dir: Path, hooks_url: str, **options: str) -> Iterator[IngestNode]:
    node = IngestNode(state_dir, hooks_url, **options)  # type: ignore[arg-type]
    try:
        yield node
    finally:
        node.stop()


class Encoder:
    """FFmpeg publishing a small test picture and a tone, in real time, until stopped."""

    def __init__(self, url: str, *, video: bool = True, audio: bool = True, seconds: float = 600) -> None:
        command = ["ffmpeg", "-v", "error", "-nostdin", "-re"]
        if video:
            command += ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=15"]
        if audio:
            command += ["-f", "lavfi", "-i", "sine=sample_rate=44100"]
        if video:
            command += ["-c:v", "libx264", "-preset", "ultrafast", "-g", "15", "-pix_fmt", "yuv420p"]
        if audio:
            command += ["-c:a", "aac"]
        command += ["-t", str(seconds), "-f", "flv", url]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @property
    def is_publishing(self) -> bool:
        return self.process.poll() is None

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
        end(self.process, within_seconds=5)


@contextmanager
def encoder(url: str, **options: bool | float) -> Iterator[Encoder]:
    publishing = Encoder(url, **options)  # type: ignore[arg-type]
    try:
        yield publishing
    finally:
        publishing.stop()


class RtmpConnection(RtmpPublisher):
    """A raw connection that publishes any name at all, byte for byte, and can ask again, as some encoders do."""

    def __init__(self, base: str, name: str) -> None:
        parts = urlsplit(base)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 1935), timeout=10)
        self._handshake()
        self._send(2, SET_CHUNK_SIZE, 0, struct.pack(">I", 4096))
        connect = {"app": parts.path.strip("/"), "type": "nonprivate", "flashVer": "raw", "tcUrl": base}
        self._send(3, COMMAND, 0, amf("connect", 1.0, connect))
        self._send(3, COMMAND, 0, amf("createStream", 2.0, None))
        self.publish(name)

    def publish(self, name: str) -> None:
        self._send(3, COMMAND, 1, amf("publish", 3.0, None, name, "live"))

    def close_stream(self) -> None:
        self._send(3, COMMAND, 0, amf("closeStream", 4.0, None))

    def is_refused(self, seconds: float = 60) -> bool:
        return eventually(self.dropped, seconds)


def amf(*values: str | float | dict[str, str] | None) -> bytes:
    """AMF 0: strings, numbers, null and flat objects."""

    def encode(value: str | float | dict[str, str] | None) -> bytes:
        match value:
            case None:
                return b"\x05"
            case str():
                return b"\x02" + short(value)
            case dict():
                return b"\x03" + b"".join(short(name) + encode(text) for name, text in value.items()) + b"\x00\x00\x09"
            case _:
                return b"\x00" + struct.pack(">d", value)

    def short(text: str) -> bytes:
        return struct.pack(">H", len(text.encode())) + text.encode()

    return b"".join(encode(value) for value in values)


@contextmanager
def rtmp_connection(base: str, name: str) -> Iterator[RtmpConnection]:
    connection = RtmpConnection(base, name)
    try:
        yield connection
    finally:
        connection.close()


def pulled_tags(url: str, seconds: float = 60) -> Iterator[Tag]:
    """What a worker gets from the ingest node, without the node's own marks, until the source ends or for `seconds`.

    Nothing when the node refuses. Raises http.client.IncompleteRead when the connection breaks off.
    """
    give_up_at = time.monotonic() + seconds
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
    with closing(connection), suppress(TimeoutError):
        connection.request("GET", f"{parts.path}?{parts.query}".rstrip("?"))
        with connection.getresponse() as answer:
            reader = TagReader()
            while answer.status == 200 and time.monotonic() < give_up_at and (data := answer.read1(65536)):
                yield from (tag for tag in reader.feed(data) if not is_mark(tag))


def pulled_packets(url: str, seconds: float) -> list[tuple[str, float]]:
    """(`audio` or `video`, time in seconds) of every frame that a worker receives in `seconds`."""
    return [(tag.kind.name.lower(), tag.timestamp / 1000) for tag in pulled_tags(url, seconds) if tag.is_media]

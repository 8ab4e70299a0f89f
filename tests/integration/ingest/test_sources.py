"""What a worker gets from a real node: everything from the first frame on, whenever it comes, until the source ends."""

from __future__ import annotations

import asyncio
import http.client
import socket
import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from headwater.media.flv import Tag, TagKind, TagReader
from rtmp_ingest.settings import parse_networks
from rtmp_ingest.source_http import Source, SourceHttp
from tests.event_loops import run
from tests.hooks_api import HooksApi
from tests.integration.ingest.conftest import Stream, is_live
from tests.nginx_rtmp import IngestNode, encoder, eventually, ingest_node, pulled_tags
from tests.worker_stage import picture_and_sound, source_node


def recording(folder: Path) -> Path:
    """Three seconds that begin at the time 0, with a keyframe every second and no B-frames."""
    path = folder / "source.flv"
    subprocess.run(
        ["ffmpeg", "-v", "error", *picture_and_sound("160x90", 30, 30), "-bf", "0", "-t", "3", "-f", "flv", str(path)],
        check=True,
    )
    return path


def play(path: Path, url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["ffmpeg", "-v", "error", "-re", "-i", str(path), "-c", "copy", "-copyts", "-f", "flv", url],
        stderr=subprocess.DEVNULL,
    )


def pictures(tags: Iterable[Tag]) -> list[int]:
    return [tag.timestamp for tag in tags if tag.is_video and tag.is_media]


@pytest.mark.parametrize("attempt", range(3))
def test_the_first_frame_published_is_the_first_frame_served_and_so_is_every_other(
    attempt: int, node: IngestNode, stream: Stream, other_stream: Stream, tmp_path: Path
) -> None:
    path = recording(tmp_path)
    playing = [play(path, f"{node.base}/{s.key}") for s in (stream, other_stream)]
    assert is_live(node, stream), node.log()
    assert is_live(node, other_stream), node.log()
    urls = [stream.pull_url or "", other_stream.pull_url or ""]
    time.sleep(attempt)  # however late the worker is
    received = [list(pulled_tags(url, 20)) for url in urls]  # ends with the source, not with the time
    for encoding in playing:
        encoding.wait(20)
    for tags in received:
        first = next(tag for tag in tags if tag.is_video and tag.is_media)
        assert first.is_keyframe
        assert pictures(tags) == pictures(TagReader().feed(path.read_bytes()))
        assert next(tag for tag in tags if tag.is_video).is_sequence_header


def test_names_that_nobody_published_and_requests_that_are_none_are_refused_at_once(
    node: IngestNode, stream: Stream
) -> None:
    with encoder(f"{node.base}/{stream.key}"):
        assert is_live(node, stream), node.log()
        url = stream.pull_url or ""
        name = url.rpartition("/")[2]
        for path in (
            "/", "/sources/", "/sources/x", f"/sources/{name}x", f"/sources/{name[:-1]}", f"/sources/../{name}",
            f"/sources/{stream.key}", f"/sources/{name}?from_ms=-1", f"/sources/{name}?from_ms=1&x=2", "/" + "x" * 9000,
            f"/sources/{name}%00", "http://127.0.0.1/sources/" + name,
        ):  # fmt: skip
            connection = http.client.HTTPConnection("127.0.0.1", node.pull_port, timeout=3)
            connection.putrequest("GET", path, skip_host=True)
            connection.endheaders()
            try:
                assert connection.getresponse().status == 404, path
            except (ConnectionError, http.client.BadStatusLine):
                assert len(path) > 4096, path
            finally:
                connection.close()
        for nonsense in (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"POST /sources/" + name.encode() + b" HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", node.pull_port), 3) as raw:
                raw.sendall(nonsense)
                assert raw.recv(64).startswith(b"HTTP/1.1 404")
        assert next(pulled_tags(url, 5))
        assert name not in node.log()


def test_only_allowed_networks_may_pull(api: HooksApi, stream: Stream, tmp_path: Path) -> None:
    with ingest_node(tmp_path / "node", api.url, pull_allow="10.0.0.0/8") as node, encoder(f"{node.base}/{stream.key}"):
        assert is_live(node, stream), node.log()
        connection = http.client.HTTPConnection("127.0.0.1", node.pull_port, timeout=3)
        connection.request("GET", urlsplit(stream.pull_url or "").path)
        assert connection.getresponse().status == 403
        connection.close()


def test_a_source_server_that_dies_is_replaced_and_goes_on_with_what_is_live(node: IngestNode, stream: Stream) -> None:
    def children() -> list[int]:
        text = " ".join(p.read_text() for p in Path(f"/proc/{node.process.pid}/task").glob("*/children"))
        return [
            int(pid)
            for pid in set(text.split())
            if b"rtmp_ingest.source_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]

    with encoder(f"{node.base}/{stream.key}") as publishing:
        assert is_live(node, stream), node.log()
        found = children()
        assert len(found) == 1, [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in found]
        (pid,) = found
        subprocess.run(["kill", "-KILL", str(pid)], check=True)

        def serves() -> bool:
            try:
                return any(tag.is_keyframe for tag in pulled_tags(stream.pull_url or "", 3))
            except (OSError, http.client.HTTPException):
                return False

        assert eventually(serves), node.log()
        assert publishing.is_publishing


def test_a_consumer_that_does_not_read_is_disconnected_when_it_falls_out_of_the_buffer() -> None:
    run(fall_behind())


async def fall_behind() -> None:
    source = Source(keep_ms=60_000, max_size=1_000_000)
    frame = b"\x17\x01\x00\x00\x00" + bytes(100_000)
    http = SourceHttp({"name": source}, parse_networks("127.0.0.1/32"))
    async with await asyncio.start_server(http.answer, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1000)
        writer.write(b"GET /sources/name HTTP/1.1\r\n\r\n")
        for number in range(500):
            source.buffer.append(Tag(TagKind.VIDEO, number, frame), number)
            source.wake()
            await asyncio.sleep(0.005)
        received = bytearray()
        with suppress(ConnectionError):
            while data := await reader.read(1 << 20):
                received += data
        assert len(received) < 40_000_000
        assert not received.endswith(b"\r\n0\r\n\r\n"), "what breaks off must not look like an end"
        writer.close()


def test_a_name_under_which_nothing_comes_waits_and_its_consumers_with_it(tmp_path: Path) -> None:
    with source_node(tmp_path) as node:
        url = node.source("one")
        received: list[Tag] = []
        waiting = threading.Thread(target=lambda: received.extend(pulled_tags(url, 20)))
        waiting.start()
        time.sleep(0.5)
        with play(recording(tmp_path), f"{node.base}/one") as encoding:
            encoding.wait(20)
        waiting.join(20)
        assert len(pictures(received)) == 90

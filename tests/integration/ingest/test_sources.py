"""What a worker gets from a real node: everything from the first frame on, whenever it comes, until the source ends."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import socket
import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ffmpeg_worker.source_reader import SourceAddress, SourceEnded, SourceReader
from headwater.media.flv import Tag, TagKind, TagReader, file_header, tag_bytes
from headwater.media.source_mark import SourceMark
from rtmp_ingest.settings import SourceSettings, parse_networks
from rtmp_ingest.source_http import Source, SourceHttp
from rtmp_ingest.source_server import SourceServer
from tests.event_loops import run
from tests.hooks_api import HooksApi
from tests.integration.ingest.conftest import Stream, is_live
from tests.nginx_rtmp import IngestNode, encoder, eventually, ingest_node, pulled_tags
from tests.source_node import chunk
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
        encoding.wait(60)
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


def test_a_connection_to_nginx_that_breaks_is_made_again_and_the_source_goes_on(
    node: IngestNode, stream: Stream
) -> None:
    with encoder(f"{node.base}/{stream.key}") as publishing:
        assert is_live(node, stream), node.log()
        url = stream.pull_url or ""
        received: list[Tag] = []
        consumer = threading.Thread(target=lambda: received.extend(pulled_tags(url, 30)))
        consumer.start()
        assert eventually(lambda: pictures(received))
        assert node.get(f"/control/drop/subscriber?app=live&name={url.rpartition('/')[2]}").strip() == "1"
        dropped_at = len(received)
        assert eventually(lambda: len(pictures(received[dropped_at:])) > 30), node.log()
        assert publishing.is_publishing
    consumer.join(30)
    assert not consumer.is_alive(), "it ends with its publisher"
    shown = [tag for tag in received if tag.is_video and tag.is_media]
    breaks = [later for tag, later in itertools.pairwise(shown) if later.timestamp - tag.timestamp > 70]
    assert all(tag.is_keyframe for tag in breaks), "no picture refers to one that was missed"


def test_an_old_number_is_not_taken_for_one_of_a_server_that_was_started_anew() -> None:
    run(come_back_to_another_run())


async def come_back_to_another_run() -> None:
    source = Source(keep_ms=60_000, max_size=1_000_000)
    picture = b"\x17\x01\x00\x00\x00"
    source.add(
        Tag(TagKind.VIDEO, 40 * number, picture if number % 25 == 0 else b"\x27" + picture[1:]) for number in range(60)
    )
    source.end()
    http = SourceHttp({"name": source}, parse_networks("127.0.0.1/32"))
    async with await asyncio.start_server(http.answer, "127.0.0.1", 0) as server:
        address = server.sockets[0].getsockname()
        reader = SourceReader(SourceAddress(address[0], address[1], "/sources/name"))
        list(reader.receive(b"HTTP/1.1 200 OK\r\n\r\n" + chunk(file_header(video=True, audio=True))))
        list(reader.receive(chunk(tag_bytes(SourceMark(12, 0).tag(0)) + tag_bytes(Tag(TagKind.VIDEO, 0, picture)))))
        receiving, asking = await asyncio.open_connection(*address)
        asking.write(reader.request())
        times: list[int] = []
        with suppress(SourceEnded):
            while data := await receiving.read(65536):
                for tag in reader.receive(data):
                    times.append(tag.timestamp)
        asking.close()
    assert times[0] == 2000, "the last keyframe, not the thirteenth tag"
    assert reader.missed > 0


def test_the_memory_of_a_node_is_divided_among_its_sources() -> None:
    run(many_sources())


async def many_sources() -> None:
    settings = SourceSettings(
        rtmp_listen="127.0.0.1:1", pull_listen="127.0.0.1:1", pull_allow="127.0.0.0/8",
        source_buffer_bytes=2_000_000, source_buffers_bytes=5_000_000,
    )  # fmt: skip
    server = SourceServer(settings)
    limits = []
    attaching = []
    for name in ("a", "b", "c", "d"):
        attaching.append(asyncio.create_task(server.attach(name)))
        await asyncio.sleep(0)
        limits.append({source.buffer.max_size for source in server.sources.values()})
    await server.finish()
    await asyncio.gather(*attaching, return_exceptions=True)
    assert limits == [{2_000_000}, {2_000_000}, {1_666_666}, {1_250_000}]


def test_a_node_that_stops_lets_consumers_have_the_rest_and_tells_them_that_it_is_the_end(tmp_path: Path) -> None:
    with source_node(tmp_path) as node:
        url = node.source("one")
        with play(recording(tmp_path), f"{node.base}/one") as encoding:
            received = pulled_tags(url, 20)
            first = next(tag for tag in received if tag.is_video and tag.is_media)
            assert node.server.stdin
            node.server.stdin.close()
            rest = list(received)  # would raise, were the connection to break off
            encoding.kill()
        assert node.server.wait(10) == 0
    assert first.is_keyframe
    assert pictures(rest) == sorted(pictures(rest))


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
            source.add([Tag(TagKind.VIDEO, number, frame)])
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
            encoding.wait(60)
        waiting.join(20)
        assert len(pictures(received)) == 90

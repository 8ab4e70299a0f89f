"""The worker's side of reading a source over HTTP: cut anywhere, broken off, refused, ended, taken up again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_worker.source_reader import SourceAddress, SourceBroken, SourceEnded, SourceReader
from headwater.media.flv import Tag, TagKind, file_header, tag_bytes
from headwater.media.source_mark import SourceMark
from tests.source_node import chunk

ADDRESS = SourceAddress("10.0.3.7", 1936, "/sources/name")
HEADER = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TAGS = [Tag(TagKind.VIDEO, at, b"\x27\x01\x00\x00\x00" + bytes(at)) for at in range(0, 300, 40)]


def body(number: int, tags: list[Tag]) -> bytes:
    mark = tag_bytes(SourceMark(number, 1_000_000 + tags[0].timestamp).tag(tags[0].timestamp))
    return chunk(file_header(video=True, audio=True) + mark) + b"".join(chunk(tag_bytes(tag)) for tag in tags)


@given(st.integers(1, 400))
def test_tags_come_out_however_the_bytes_are_cut(size: int) -> None:
    stream = HEADER + body(7, TAGS)
    reader = SourceReader(ADDRESS)
    assert reader.request().startswith(b"GET /sources/name HTTP/1.1\r\nHost: 10.0.3.7:1936\r\n")
    assert [tag for at in range(0, len(stream), size) for tag in reader.receive(stream[at : at + size])] == TAGS
    assert reader.wall_offset_ms == 1_000_000
    with pytest.raises(SourceEnded):
        list(reader.receive(b"0\r\n\r\n"))


@given(st.integers(0, 2000))
def test_a_broken_connection_is_taken_up_after_the_last_tag(broken_at: int) -> None:
    reader = SourceReader(ADDRESS, from_ms=5)
    assert b"?from_ms=5 " in reader.request()
    first = list(reader.receive((HEADER + body(7, TAGS))[:broken_at]))
    request = reader.request()
    if b"from_tag" not in request:
        assert first == []
    else:
        assert f"?from_tag={7 + len(first)} ".encode() in request
        rest = TAGS[len(first) :]
        if rest:
            assert first + list(reader.receive(HEADER + body(7 + len(first), rest))) == TAGS
    assert reader.missed == 0


def test_a_connection_that_breaks_twice_in_a_row_loses_no_count() -> None:
    reader = SourceReader(ADDRESS)
    reader.request()
    list(reader.receive(HEADER + body(7, TAGS[:2])))
    assert b"?from_tag=9 " in reader.request()
    assert b"?from_tag=9 " in reader.request()


def test_what_the_node_no_longer_has_is_counted() -> None:
    reader = SourceReader(ADDRESS)
    reader.request()
    list(reader.receive(HEADER + body(7, TAGS[:2])))
    reader.request()
    assert len(list(reader.receive(HEADER + body(12, TAGS[5:])))) == 3
    assert reader.missed == 3


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "500 Oops"])
def test_a_refusal_is_an_end(status: str) -> None:
    with pytest.raises(SourceEnded, match=status[:3]):
        list(SourceReader(ADDRESS).receive(f"HTTP/1.1 {status}\r\n\r\n".encode()))


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-x\r\n\r\n", b"x" * 5000, HEADER + b"zz\r\n", HEADER + chunk(b"RIFF" + bytes(40))]
)
def test_nonsense_is_a_broken_connection(answer: bytes) -> None:
    with pytest.raises(SourceBroken):
        list(SourceReader(ADDRESS).receive(answer))


@pytest.mark.parametrize("url", ["rtmp://host/live/name", "http://host", "http:///sources/name", "http://host/"])
def test_an_address_that_is_none_is_not_repeated_in_the_error(url: str) -> None:
    with pytest.raises(ValueError, match="not an http") as failure:
        SourceAddress.parse(url)
    assert url not in str(failure.value)

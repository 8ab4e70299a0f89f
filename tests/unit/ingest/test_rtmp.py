"""The client's side of RTMP: chunks, handshake, play, and answers to what the server asks."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.media import amf0
from headwater.media.flv import TagKind
from rtmp_ingest.rtmp_chunks import ChunkReader, MalformedChunk, RtmpMessage, write_message
from rtmp_ingest.rtmp_reader import RtmpAddress, RtmpReader, SourceEnded


@given(
    st.lists(
        st.builds(
            RtmpMessage,
            st.sampled_from([8, 9, 18]),
            st.one_of(st.integers(0, 0xFFFFFFFF), st.sampled_from([0xFFFFFE, 0xFFFFFF, 0x1000000])),
            st.just(1),
            st.binary(min_size=1, max_size=700),
        ),
        max_size=6,
    ),
    st.integers(1, 300),
)
def test_messages_survive_any_chunk_size_and_any_split_of_the_bytes(messages: list[RtmpMessage], cut: int) -> None:
    stream = b"".join(write_message(m, chunk_stream_id=5, chunk_size=128) for m in messages)
    reader = ChunkReader()
    read = [m for at in range(0, len(stream), cut) for m in reader.feed(stream[at : at + cut])]
    assert read == messages


def test_timestamps_are_differences_after_the_first_and_wrap_at_32_bits() -> None:
    def header(kind: int, time: int, size: int = 1) -> bytes:
        return (
            bytes([kind << 6 | 4]) + time.to_bytes(3, "big") + (size.to_bytes(3, "big") + b"\x08" if kind < 2 else b"")
        )

    first = header(0, 0xFFFFFF) + bytes(4) + struct.pack(">I", 0xFFFFFFF0) + b"a"
    stream = first + header(1, 10) + b"b" + header(2, 20) + b"c" + bytes([3 << 6 | 4]) + b"d"
    assert [m.timestamp for m in ChunkReader().feed(stream)] == [0xFFFFFFF0, 0xFFFFFFFA, 14, 34]


def test_a_new_chunk_size_counts_from_the_next_chunk() -> None:
    grow = write_message(RtmpMessage(1, 0, 0, struct.pack(">I", 4096)), chunk_stream_id=2, chunk_size=128)
    large = RtmpMessage(9, 5, 1, bytes(3000))
    read = list(ChunkReader().feed(grow + write_message(large, chunk_stream_id=6, chunk_size=4096)))
    assert read[1] == large


@pytest.mark.parametrize(
    "stream",
    [
        b"\xc4abc",
        b"\x04" + bytes(3) + b"\xff\xff\xff" + b"\x09" + bytes(4),
        write_message(RtmpMessage(1, 0, 0, bytes(4)), chunk_stream_id=2, chunk_size=128),
    ],
    ids=["continuation of nothing", "a message of 16 MB", "chunk size 0"],
)
def test_nonsense_is_refused(stream: bytes) -> None:
    with pytest.raises(MalformedChunk):
        list(ChunkReader().feed(stream))


def _server(*messages: RtmpMessage) -> bytes:
    return b"".join(write_message(m, chunk_stream_id=3, chunk_size=128) for m in messages)


def _ready_reader() -> RtmpReader:
    reader = RtmpReader(RtmpAddress("host", 1935, "live", "name"))
    assert len(reader.outgoing()) == 1537
    assert list(reader.receive(b"\x03" + bytes(3072))) == []
    reader.outgoing()
    return reader


def _sent_commands(reader: RtmpReader) -> list[list[amf0.Amf0Value]]:
    chunks = ChunkReader()
    list(chunks.feed(write_message(RtmpMessage(1, 0, 0, struct.pack(">I", 4096)), chunk_stream_id=2, chunk_size=128)))
    return [amf0.decode_all(m.payload) for m in chunks.feed(reader.outgoing()) if m.type_id == 20]


def test_it_connects_creates_a_stream_and_plays_only_what_is_live() -> None:
    reader = _ready_reader()
    list(reader.receive(_server(RtmpMessage(20, 0, 0, amf0.encode("_result", 1.0, {}, {})))))
    assert _sent_commands(reader) == [["createStream", 2.0, None]]
    list(reader.receive(_server(RtmpMessage(20, 0, 0, amf0.encode("_result", 2.0, None, 7.0)))))
    assert _sent_commands(reader) == [["play", 3.0, None, "name", -1.0]]


def test_frames_come_out_with_their_times() -> None:
    tags = list(
        _ready_reader().receive(_server(RtmpMessage(9, 40, 1, b"\x17\x01abc"), RtmpMessage(8, 41, 1, b"\xaf\x01x")))
    )
    assert [(tag.kind, tag.timestamp) for tag in tags] == [(TagKind.VIDEO, 40), (TagKind.AUDIO, 41)]


def test_pings_and_windows_are_answered() -> None:
    reader = _ready_reader()
    list(reader.receive(_server(RtmpMessage(4, 0, 0, b"\x00\x06abcd"))))
    assert b"\x00\x07abcd" in reader.outgoing()
    list(reader.receive(_server(RtmpMessage(5, 0, 0, struct.pack(">I", 4000)))))
    assert reader.outgoing(), "more than half of the window had been received"


@pytest.mark.parametrize(
    "code", ["NetStream.Play.UnpublishNotify", "NetStream.Play.Stop", "NetStream.Play.StreamNotFound"]
)
def test_the_end_of_the_stream_is_noticed(code: str) -> None:
    with pytest.raises(SourceEnded):
        list(
            _ready_reader().receive(_server(RtmpMessage(20, 0, 1, amf0.encode("onStatus", 0.0, None, {"code": code}))))
        )


@pytest.mark.parametrize("url", ["http://host/live/name", "rtmp://host", "rtmp://host/live", "rtmp:///live/name"])
def test_an_address_that_is_none_is_not_repeated_in_the_error(url: str) -> None:
    with pytest.raises(ValueError, match="not an rtmp") as failure:
        RtmpAddress.parse(url)
    assert url not in str(failure.value)


_amf0 = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(_amf0, max_size=4))
def test_amf0_survives_both_ways(values: list[amf0.Amf0Value]) -> None:
    assert amf0.decode_all(amf0.encode(*values)) == values


@given(st.binary(max_size=200))
def test_amf0_from_a_stranger_is_decoded_or_refused(data: bytes) -> None:
    with contextlib.suppress(amf0.MalformedAmf0):
        amf0.decode_all(data)

"""What a consumer waits for before it is sent what has come: company, but never once a keyframe is there."""

from __future__ import annotations

import asyncio

import pytest

from headwater.media.flv import Tag, TagKind
from rtmp_ingest import source_http
from rtmp_ingest.source_http import Source
from tests.event_loops import run

KEYFRAME = Tag(TagKind.VIDEO, 40, b"\x17\x01\x00\x00\x00picture")
SOUND = Tag(TagKind.AUDIO, 21, b"\xaf\x01sound")


def test_a_keyframe_ends_the_gathering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_http, "GATHERING_SECONDS", 3600.0)

    async def gather_while_frames_come() -> None:
        source = Source(keep_ms=60_000, max_size=1_000_000)
        first = source.buffer.next
        source.add([SOUND])
        gathering = asyncio.create_task(source.gather(first))
        await asyncio.sleep(0)
        source.add([SOUND])
        await asyncio.sleep(0)
        assert not gathering.done()
        source.add([KEYFRAME])
        await gathering

    run(gather_while_frames_come())


def test_without_a_keyframe_it_takes_no_longer_than_it_is_worth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_http, "GATHERING_SECONDS", 0.01)

    async def gather_alone() -> None:
        source = Source(keep_ms=60_000, max_size=1_000_000)
        source.add([SOUND])
        await source.gather(source.buffer.first)

    run(gather_alone())

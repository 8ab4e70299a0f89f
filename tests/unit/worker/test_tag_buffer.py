"""Where an epoch can begin, among the frames that are kept."""

from __future__ import annotations

from ffmpeg_worker.segment_cutter import Boundary
from ffmpeg_worker.tag_buffer import TagBuffer
from headwater.media.flv import Tag, TagKind


def _picture(timestamp: int, shown_after: int = 0, *, key: bool = True) -> Tag:
    offset = (shown_after & 0xFFFFFF).to_bytes(3, "big")
    return Tag(TagKind.VIDEO, timestamp, (b"\x17" if key else b"\x27") + b"\x01" + offset + b"picture")


def _buffer(*tags: Tag) -> TagBuffer:
    buffer = TagBuffer()
    for tag in tags:
        buffer.append(tag)
    return buffer


def test_an_epoch_begins_with_a_keyframe() -> None:
    buffer = _buffer(_picture(10, key=False), _picture(43, 67), _picture(76, key=False))
    assert buffer.first_start(video=True) == Boundary(110, 43)
    assert buffer.from_boundary(Boundary(110, 43)) == [_picture(43, 67), _picture(76, key=False)]


def test_a_picture_that_is_shown_before_the_time_0_begins_nothing() -> None:
    buffer = _buffer(_picture(0, -40), _picture(33, -40, key=False))
    assert buffer.first_start(video=True) is None
    buffer.append(_picture(1000, -40))
    assert buffer.first_start(video=True) == Boundary(960, 1000)

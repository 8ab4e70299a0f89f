"""Stages 1 → 4 · where in a source a worker is, and when the ingest node received that: a script tag among the frames.

The node puts one before the first buffered tag that it sends, and again wherever the publisher's clock and the node's have
moved apart. Every tag after a mark counts one on from its `number`.
"""

from __future__ import annotations

from dataclasses import dataclass

from headwater.media import amf0
from headwater.media.flv import Tag, TagKind

_NAME = "onSourceMark"
_PREFIX = amf0.encode(_NAME)


@dataclass(frozen=True, slots=True)
class SourceMark:
    """`number` is that of the tag that follows, counted from the source's first; `received_at` is Unix ms."""

    number: int
    received_at: int

    def tag(self, timestamp: int) -> Tag:
        """At the time of the tag that follows, in publisher's ms."""
        body: amf0.Amf0Value = {"number": float(self.number), "receivedAt": float(self.received_at)}
        return Tag(TagKind.DATA, timestamp, _PREFIX + amf0.encode(body))


def is_mark(tag: Tag) -> bool:
    return tag.kind is TagKind.DATA and tag.payload.startswith(_PREFIX)


def read_mark(tag: Tag) -> SourceMark | None:
    """The mark in `tag`, if it is one."""
    if not is_mark(tag):
        return None
    try:
        match amf0.decode_all(tag.payload):
            case [str(), {"number": float(number), "receivedAt": float(received_at)}]:
                return SourceMark(int(number), int(received_at))
    except (ValueError, OverflowError):
        pass
    return None

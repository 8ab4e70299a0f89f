"""Stage 7 · what a clip is: a moment of a broadcast that somebody found worth keeping."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from headwater.domain.ids import BroadcastId, StreamId, UserId

ClipId = NewType("ClipId", str)

LONGEST_SECONDS = 60
MOST_OF_USER = 100  # that one user makes of one stream
THUMBNAIL_SECONDS = 10  # how far apart a broadcast's thumbnails are


@dataclass(frozen=True, slots=True)
class Clip:
    """`start_seconds` from the beginning of the recording; `picture` numbers the thumbnail that stands for it."""

    clip_id: ClipId
    stream_id: StreamId
    broadcast_id: BroadcastId
    maker_id: UserId | None  # None: the account is gone
    maker_name: str | None
    title: str
    start_seconds: float
    duration_seconds: float
    picture: int | None
    withheld: bool  # its broadcast is for the stream's owner alone
    created_at: datetime

"""Stage 6 · who may fetch which of a stream's objects. One rule, for the edge that enforces it and the API that signs.

The path says what a request claims, and the hot state what it takes:

- `/{stream_id}/…` needs nothing, and is open to what everybody may watch
- `/private/{stream_id}/…` needs a signature for `/private/{stream_id}/*`: what the viewers of a private stream may watch
- `/owner/{stream_id}/…` needs a signature for `/owner/{stream_id}/*`: what its owner alone may watch, and all the rest

A path is claimed by a signature as a whole, so one signed cookie covers everything of a stream (docs/decisions/0015).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from headwater.domain.broadcast import StreamControl
from headwater.domain.ids import BroadcastId, StreamId, is_id

SIGNED_SECONDS = 50  # whoever is taken off the list of viewers watches no longer than this; renewed by every heartbeat


class Audience(IntEnum):
    """Who may watch. Each includes those before it: what everybody may watch, its owner may."""

    EVERYONE = 0
    VIEWERS = 1
    OWNER = 2
    NOBODY = 3


ENTRANCES = {Audience.EVERYONE: "", Audience.VIEWERS: "private/", Audience.OWNER: "owner/"}
_PATH = re.compile(r"/(?:(private|owner)/)?([0-9a-z]{22})/([^/]+)(?:/.*)?")


@dataclass(frozen=True, slots=True)
class MediaPath:
    """What a viewer asks for. `entrance` is who it says that it is for; `broadcast_id` None for `live.m3u8` and the like."""

    entrance: Audience
    stream_id: StreamId
    broadcast_id: BroadcastId | None


def media_path(path: str) -> MediaPath | None:
    """None for what is no path of media."""
    match = _PATH.fullmatch(path)
    if match is None or not is_id(match[2]):
        return None
    entrance = next(each for each, prefix in ENTRANCES.items() if prefix == (f"{match[1]}/" if match[1] else ""))
    return MediaPath(entrance, StreamId(match[2]), BroadcastId(match[3]) if is_id(match[3]) else None)


def audience_of(control: StreamControl | None, broadcast_id: BroadcastId | None) -> Audience:
    """Who may fetch what lies under a broadcast, or, without one, the stream's `live.m3u8` and `live.mpd`."""
    if control is None or control.deleted or broadcast_id in control.removed:
        return Audience.NOBODY
    broadcast = control.broadcast if broadcast_id is None else control.find(broadcast_id)
    of = broadcast.broadcast_id if broadcast is not None else broadcast_id
    if of in control.withheld or (broadcast is not None and not broadcast.public):
        return Audience.OWNER
    return Audience.VIEWERS if control.settings.private else Audience.EVERYONE


def lets_in(control: StreamControl | None, asked: MediaPath) -> bool:
    """Whether this entrance leads to that object. A signature for the entrance is a question of its own."""
    audience = audience_of(control, asked.broadcast_id)
    return audience is not Audience.NOBODY and audience <= asked.entrance

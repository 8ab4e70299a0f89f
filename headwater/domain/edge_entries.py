"""Stage 6 · what the CDN's edges are told of a stream, so that they decide as `media_access` does without asking anybody.

The store at the edges holds 5 MB in all and 1 KB in a value, and takes seconds to be the same everywhere
(docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/kvs-with-functions.html). So a stream that is simply open has no
entry; of the others, broadcasts that are not as the rest are listed by eight random characters of their ids, in up to 32
values by the ids' last one. And an entry speaks of the future: a broadcast that began after it was written is its owner's
alone if previews are what the stream begins with. infra/edge/media.js reads what is written here.

    {stream_id}      → "<audience of live.m3u8><of all other broadcasts><of newer ones>.<newest known>.<characters listed>"
    {stream_id}/{c}  → what is listed of broadcasts whose ids end with c: 8 characters and an audience each, or "*"
"""

from __future__ import annotations

from collections.abc import Mapping

from headwater.domain.broadcast import StreamControl
from headwater.domain.ids import BroadcastId
from headwater.domain.media_access import Audience, audience_of

LISTED_LIMIT = 110  # of 9 characters each; a value takes 1,024
ALL = "*"  # more than can be listed: every broadcast that ends so is its owner's alone

GONE: Mapping[str, str] = {"": f"{Audience.NOBODY:d}{Audience.NOBODY:d}{Audience.NOBODY:d}.."}


def edge_entries(control: StreamControl | None) -> Mapping[str, str]:
    """The values of a stream by what follows its id in their keys: "" and "/c". Empty for one that is simply open; a stream
    that nobody knows is gone, for caches may know it."""
    if control is None or control.deleted:
        return GONE
    rest = Audience.VIEWERS if control.settings.private else Audience.EVERYONE
    listed = _listed(control, rest)
    newer = rest if control.settings.auto_start else Audience.OWNER
    live = audience_of(control, None)
    if newer is Audience.OWNER and not (control.broadcast is not None and control.broadcast.is_active):
        live = Audience.OWNER  # what appears next is a preview, and this entry may not have followed by then
    if not listed and live is rest and newer is rest and rest is Audience.EVERYONE:
        return {}
    newest = control.broadcast.broadcast_id if control.broadcast is not None else ""
    return {
        "": f"{live:d}{rest:d}{newer:d}.{newest}.{''.join(sorted(listed))}",
        **{f"/{character}": value for character, value in listed.items()},
    }


def listed_characters(entry: str | None) -> str:
    """Under which characters a stream's entry lists broadcasts."""
    return "" if entry is None else entry.rpartition(".")[2]


def _listed(control: StreamControl, rest: Audience) -> dict[str, str]:
    known = {broadcast.broadcast_id for broadcast in (control.broadcast, *control.previous) if broadcast is not None}
    ids: list[BroadcastId] = sorted(known | set(control.withheld) | set(control.removed))
    by_character: dict[str, list[str]] = {}
    for broadcast_id in ids:
        audience = audience_of(control, broadcast_id)
        if audience is not rest:
            by_character.setdefault(broadcast_id[-1], []).append(f"{broadcast_id[-9:-1]}{audience:d}")
    return {
        character: "".join(records) if len(records) <= LISTED_LIMIT else ALL
        for character, records in by_character.items()
    }

"""Stage 2 · how many broadcasts one owner may have on the air, decided without a store that knows all streams. Pure.

An owner's slots are a superset of their streams on the air: a stream takes one before its broadcast begins, and nothing
has to be told when it ends. Who finds no slot free looks which of the taken ones are still in use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headwater.domain.broadcast import StreamControl
from headwater.domain.ids import StreamId

JUST_TAKEN_MS = 15_000  # a publish hook is decided or given up within 8 s; until then its broadcast may yet begin

Slots = Mapping[StreamId, int]  # when each was taken, Unix ms


def take_slot(
    taken: Slots, stream_id: StreamId, limit: int, now: int, look_at: Callable[[StreamId], StreamControl | None]
) -> Slots | None:
    """The owner's slots once `stream_id` has one; None when `limit` other streams are on the air or about to be."""
    others = {stream: since for stream, since in taken.items() if stream != stream_id}
    if len(others) >= limit:
        others = {
            stream: since
            for stream, since in others.items()
            if now - since < JUST_TAKEN_MS or _is_on_the_air(look_at(stream))
        }
    return None if len(others) >= limit else {**others, stream_id: now}


def _is_on_the_air(control: StreamControl | None) -> bool:
    return control is not None and control.broadcast is not None and control.broadcast.is_active

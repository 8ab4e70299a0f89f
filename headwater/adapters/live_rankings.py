"""Stage 7 · what is live at a moment, with what it is ordered by, kept for the pages of lists that began then.

Viewer counts move every few seconds, so a list that was ordered by what they are now would show a stream twice or never
to whoever turns its pages. All lists that begin within one slot share one ranking, whatever they filter by.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Select,
    Text,
    bindparam,
    case,
    cast,
    column,
    delete,
    func,
    literal,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on, insert

from headwater.adapters.tables import broadcasts, live_rankings
from headwater.domain.broadcast import BroadcastState
from headwater.domain.playback_session import PRESENCE_SECONDS

SLOT_SECONDS = 5
KEPT_SECONDS = 1800  # how long somebody may take from one page to the next

ON_AIR_STATES = (BroadcastState.LIVE.value, BroadcastState.INTERRUPTED.value)

Ranking = Select[tuple[str, int, int]]


@functools.cache
def live_now() -> Ranking:
    """Every stream that can be watched: `stream_id`, `viewers`, `live_since` (Unix ms)."""
    # Nobody tells that the last viewer has gone: a count that no heartbeat renewed is of people who left.
    counted = broadcasts.c.viewers_at > func.now() - timedelta(seconds=PRESENCE_SECONDS)
    newest = (
        select(
            broadcasts.c.stream_id,
            case((counted, broadcasts.c.viewers), else_=0).label("viewers"),
            broadcasts.c.state,
            broadcasts.c.public,
            broadcasts.c.live_at,
        )
        .ext(distinct_on(broadcasts.c.stream_id))
        .where(text("broadcasts.state <> 'ended'"))  # spelt as the index of what is on the air is
        .order_by(broadcasts.c.stream_id, broadcasts.c.id.desc())
        .subquery("newest_on_air")
    )
    since = cast(func.extract("epoch", newest.c.live_at) * 1000, BigInteger)
    return select(newest.c.stream_id, newest.c.viewers, since.label("live_since")).where(
        newest.c.state.in_(ON_AIR_STATES), newest.c.public, newest.c.live_at.is_not(None)
    )


@functools.cache
def _kept_slot() -> Select[tuple[int]]:
    return select(live_rankings.c.slot).where(live_rankings.c.slot == bindparam("slot", type_=BigInteger))


class LiveRankings:
    def __init__(self, connection: Connection, clock: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._clock = clock

    def kept_slot(self) -> int | None:
        """The slot of this moment, if somebody has had its ranking kept."""
        slot = self._slot()
        return slot if self.is_kept(slot) else None

    def keep(self) -> int:
        """Keep the ranking of this moment, unless somebody does; its slot."""
        slot = self._slot()
        live = live_now().subquery("live")
        arrays = [func.coalesce(func.array_agg(part), cast(literal("{}"), ARRAY(part.type))) for part in live.c]
        ranked = insert(live_rankings).from_select(
            ["slot", "stream_ids", "viewers", "live_since"], select(literal(slot, BigInteger), *arrays)
        )
        self._connection.execute(ranked.on_conflict_do_nothing())
        outdated = live_rankings.c.slot < slot - KEPT_SECONDS // SLOT_SECONDS
        self._connection.execute(delete(live_rankings).where(outdated))
        return slot

    def _slot(self) -> int:
        return int(self._clock()) // SLOT_SECONDS

    def is_kept(self, slot: int) -> bool:
        return self._connection.execute(_kept_slot(), {"slot": slot}).first() is not None


@functools.cache
def kept_ranking() -> Ranking:
    """What `live_now` was in the slot that is given as `slot`; empty when that is not kept any more."""
    row = func.unnest(live_rankings.c.stream_ids, live_rankings.c.viewers, live_rankings.c.live_since).table_valued(
        column("stream_id", Text), column("viewers", Integer), column("live_since", BigInteger)
    )
    row = row.render_derived("ranked")
    return (
        select(row.c.stream_id, row.c.viewers, row.c.live_since)
        .select_from(live_rankings.join(row, true()))
        .where(live_rankings.c.slot == bindparam("slot", type_=BigInteger))
    )

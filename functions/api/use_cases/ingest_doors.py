"""Stage 7 · where a stream may be published to: at nodes that always run, or at one that is started for who asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from headwater.domain.ids import StreamId, UserId, new_id
from headwater.domain.ingest_fleet import AskRefusal, FleetLimits, IngestFleet, IngestState, ask, look
from headwater.errors import DependencyUnavailable, IngestFull, LimitReached
from headwater.observability import count, logger


@dataclass(frozen=True, slots=True)
class Door:
    state: IngestState
    servers: Sequence[str]  # none unless it is open


class IngestDoors(Protocol):
    def look(self, stream_id: StreamId) -> Door: ...
    def open(self, stream_id: StreamId, owner_id: UserId) -> Door: ...


class AlwaysOpen:
    def __init__(self, servers: Sequence[str]) -> None:
        self._door = Door(IngestState.OPEN, servers)

    def look(self, stream_id: StreamId) -> Door:  # noqa: ARG002 - the same for all
        return self._door

    def open(self, stream_id: StreamId, owner_id: UserId) -> Door:  # noqa: ARG002
        return self._door


class Fleets(Protocol):
    def load(self) -> IngestFleet: ...
    def change(self, rule: Callable[[IngestFleet], IngestFleet]) -> IngestFleet: ...


class _Refused(Exception):  # ends a change of the fleet without one
    def __init__(self, why: AskRefusal) -> None:
        self.why = why


class OnDemand:
    def __init__(
        self, fleets: Fleets, limits: FleetLimits, tell_wanted: Callable[[], None], clock: Callable[[], int]
    ) -> None:
        self._fleets = fleets
        self._limits = limits
        self._tell_wanted = tell_wanted
        self._clock = clock

    def look(self, stream_id: StreamId) -> Door:
        return self._door(self._fleets.load(), stream_id)

    def open(self, stream_id: StreamId, owner_id: UserId) -> Door:
        """Raises IngestFull, and LimitReached for an owner who has asked for as many streams as may be on the air."""

        def rule(fleet: IngestFleet) -> IngestFleet:
            asked = ask(fleet, stream_id, owner_id, self._clock(), self._limits, new_id)
            if isinstance(asked, AskRefusal):
                raise _Refused(asked)
            return asked

        try:
            fleet = self._fleets.change(rule)
        except _Refused as refused:
            if refused.why is AskRefusal.FULL:
                raise IngestFull from None
            most = self._limits.wishes_per_owner
            raise LimitReached(
                f"Your account may have {most} streams on the air at once, and has asked for as many."
            ) from None
        if fleet.waits_for_tasks:
            try:
                self._tell_wanted()
            except DependencyUnavailable:  # then it is started with the next minute
                logger().exception("it was not told that an ingest node is wanted", extra={"stream_id": stream_id})
                count("IngestWantedNotTold")
        return self._door(fleet, stream_id)

    def _door(self, fleet: IngestFleet, stream_id: StreamId) -> Door:
        state, address = look(fleet, stream_id, self._clock())
        return Door(state, () if address is None else (f"rtmp://{address}/live",))

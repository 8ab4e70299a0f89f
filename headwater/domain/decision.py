"""Stages 2–4 · what a rule answers: what becomes of the stream's control, and what to say to whoever brought the event."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from headwater.domain.broadcast import StreamControl


class Outcome(StrEnum):
    ACCEPTED = "accepted"  # done, or already so
    IGNORED = "ignored"  # about something that is no longer current
    REFUSED = "refused"  # publish: its key is void, its stream deleted, its source could not be played; else: not now
    BUSY = "busy"  # publish: another session holds the claim
    KICK = "kick"  # update: this session must be dropped
    NOT_LIVE = "not_live"  # start, stop: there is no broadcast


@dataclass(frozen=True, slots=True)
class Decision:
    control: StreamControl
    outcome: Outcome

    def changes(self, before: StreamControl) -> bool:
        return self.control != before

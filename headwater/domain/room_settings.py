"""Stage 7 · how a room is set: what everybody in it is told, and what only its moderators see."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

TEXT_LIMIT = 500  # characters (code points) after normalisation
SLOW_LIMIT_SECONDS = 3600
AGE_LIMIT_MINUTES = 90 * 24 * 60
TERMS_LIMIT = 200
TERM_LENGTH = 64

SlowSeconds = Annotated[int, msgspec.Meta(ge=0, le=SLOW_LIMIT_SECONDS)]
AgeMinutes = Annotated[int, msgspec.Meta(ge=0, le=AGE_LIMIT_MINUTES)]


class RoomSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the room is set, so that a client can say so before a message is refused."""

    max_length: int = TEXT_LIMIT
    slow_seconds: SlowSeconds = 0  # between two messages of one user
    followers_only: bool = False
    follow_age_minutes: AgeMinutes = 0  # for how long one has to have followed; counts while `followers_only` is on
    account_age_minutes: AgeMinutes = 0
    emote_only: bool = False
    unique: bool = False  # nothing that was said in the last ten minutes


class Review(StrEnum):
    """Which messages wait for a moderator before anybody sees them."""

    OFF = "off"
    LINKS = "links"
    ALL = "all"


class TermAction(StrEnum):
    REFUSE = "refuse"
    HOLD = "hold"


class BlockedTerm(msgspec.Struct, frozen=True, kw_only=True):
    """A word, or several; `*` stands for any letters."""

    term: Annotated[str, msgspec.Meta(min_length=1, max_length=TERM_LENGTH)]
    action: TermAction = TermAction.REFUSE


class RoomRules(msgspec.Struct, frozen=True, kw_only=True):
    """All that a room's moderators have set. What is blocked is not told: it would be a list of what to write otherwise."""

    settings: RoomSettings = RoomSettings()
    review: Review = Review.OFF
    blocked_terms: Annotated[tuple[BlockedTerm, ...], msgspec.Meta(max_length=TERMS_LIMIT)] = ()


USUAL_SETTINGS = RoomSettings()
USUAL_RULES = RoomRules(settings=USUAL_SETTINGS)

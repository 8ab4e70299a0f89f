"""Stage 7 · what requests and answers about moderation carry: settings of a room, bans, held messages, the log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, BaseModel, Field

from functions.api.request_bodies import ABSENT, Body, line_of_text, stripped
from headwater.adapters.moderation_log import ModerationEntry
from headwater.domain.moderation import REASON_LIMIT, TIMEOUT_LIMIT_SECONDS, ModerationAction, Sanction
from headwater.domain.room_settings import (
    AGE_LIMIT_MINUTES,
    SLOW_LIMIT_SECONDS,
    TERM_LENGTH,
    TERMS_LIMIT,
    BlockedTerm,
    Review,
    RoomRules,
    TermAction,
)

AgeMinutes = Annotated[int, Field(ge=0, le=AGE_LIMIT_MINUTES)]
Term = Annotated[str, stripped(1, TERM_LENGTH), AfterValidator(line_of_text)]
ModerationReason = Annotated[str, stripped(1, REASON_LIMIT), AfterValidator(line_of_text)]


class BlockedTermBody(BaseModel):
    """A word, or several; `*` stands for any letters. A message that holds it is refused, or held for review."""

    model_config = {"extra": "forbid"}

    term: Term
    action: TermAction = TermAction.REFUSE


class RoomSettingsPatch(Body):
    """The fields that are sent change; `blocked_terms` as a whole."""

    slow_seconds: Annotated[int, Field(ge=0, le=SLOW_LIMIT_SECONDS)] = ABSENT
    followers_only: bool = ABSENT
    follow_age_minutes: AgeMinutes = ABSENT
    account_age_minutes: AgeMinutes = ABSENT
    emote_only: bool = ABSENT
    unique: bool = ABSENT
    review: Annotated[Review, Field(strict=False)] = ABSENT
    blocked_terms: Annotated[list[BlockedTermBody], Field(max_length=TERMS_LIMIT, strict=False)] = ABSENT

    def applied_to(self, rules: RoomRules) -> RoomRules:
        sent = {name: getattr(self, name) for name in self.model_fields_set}
        if "blocked_terms" in sent:
            terms = {each.term: BlockedTerm(term=each.term, action=each.action) for each in sent["blocked_terms"]}
            sent["blocked_terms"] = tuple(terms.values())
        own = {name: sent.pop(name) for name in ("review", "blocked_terms") if name in sent}
        settings = msgspec.structs.replace(rules.settings, **sent)
        return msgspec.structs.replace(rules, settings=settings, **own)


class RoomSettingsOut(BaseModel):
    max_length: int
    slow_seconds: int
    followers_only: bool
    follow_age_minutes: int
    account_age_minutes: int
    emote_only: bool
    unique: bool
    review: Review
    blocked_terms: list[BlockedTermBody]


def room_settings_out(rules: RoomRules) -> RoomSettingsOut:
    return RoomSettingsOut(
        **msgspec.structs.asdict(rules.settings),
        review=rules.review,
        blocked_terms=[BlockedTermBody(term=each.term, action=each.action) for each in rules.blocked_terms],
    )


class NewBan(Body):
    """For ever, or as a timeout of so many `seconds`."""

    seconds: Annotated[int, Field(ge=1, le=TIMEOUT_LIMIT_SECONDS)] | None = None
    reason: ModerationReason | None = None


class ModerationPersonOut(BaseModel):
    """`username` is null where the account is gone."""

    id: str
    username: str | None


class BanOut(BaseModel):
    user: ModerationPersonOut
    by: ModerationPersonOut
    reason: str | None
    created_at: datetime
    expires_at: datetime | None = Field(description="Of a timeout; null for a ban.")


def ban_out(sanction: Sanction, names: Mapping[str, str]) -> BanOut:
    return BanOut(
        user=_person(sanction.user_id, names),
        by=_person(sanction.by, names),
        reason=sanction.reason,
        created_at=_time(sanction.at_ms),
        expires_at=None if sanction.until_ms is None else _time(sanction.until_ms),
    )


class HeldMessageOut(BaseModel):
    id: str
    user: ModerationPersonOut
    text: str
    created_at: datetime


class ModerationEntryOut(BaseModel):
    id: str
    action: ModerationAction
    actor: ModerationPersonOut
    user: ModerationPersonOut | None
    message_id: str | None
    message_text: str | None = Field(description="What was said, where the archive has it.")
    reason: str | None
    details: dict[str, Any]
    undoes: str | None = Field(description="The entry that this one takes back.")
    undone_by: str | None
    created_at: datetime


def entry_out(entry: ModerationEntry) -> ModerationEntryOut:
    user = None if entry.user_id is None else ModerationPersonOut(id=entry.user_id, username=entry.user_name)
    return ModerationEntryOut(
        id=entry.entry_id,
        action=entry.action,
        actor=ModerationPersonOut(id=entry.actor_id, username=entry.actor_name),
        user=user,
        message_id=entry.message_id,
        message_text=entry.message_text,
        reason=entry.reason,
        details=dict(entry.details),
        undoes=entry.undoes,
        undone_by=entry.undone_by,
        created_at=entry.created_at,
    )


def _person(user_id: str, names: Mapping[str, str]) -> ModerationPersonOut:
    return ModerationPersonOut(id=user_id, username=names.get(user_id))


def _time(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)

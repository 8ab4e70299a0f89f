"""Client · how a room is set, and what moderators see and have done."""

from __future__ import annotations

from typing import Any, Literal

from headwater_client.answers.answer import Answer, Time

Review = Literal["off", "links", "all"]
ModerationAction = Literal[
    "delete", "restore", "timeout", "ban", "unban", "clear", "settings", "approve", "reject", "vip", "unvip",
    "moderator", "unmoderator", "emote", "unemote",
]  # fmt: skip


class BlockedTerm(Answer, frozen=True):
    """A word, or several; `*` stands for any letters."""

    term: str
    action: Literal["refuse", "hold"] = "refuse"


class RoomSettings(Answer, frozen=True):
    max_length: int
    slow_seconds: int
    followers_only: bool
    follow_age_minutes: int
    account_age_minutes: int
    emote_only: bool
    unique: bool
    review: Review
    blocked_terms: list[BlockedTerm]


class ModerationPerson(Answer, frozen=True):
    """`username` is None where the account is gone."""

    id: str
    username: str | None


class Ban(Answer, frozen=True):
    """`expires_at`: of a timeout."""

    user: ModerationPerson
    by: ModerationPerson
    reason: str | None
    created_at: Time
    expires_at: Time | None


class HeldMessage(Answer, frozen=True):
    id: str
    user: ModerationPerson
    text: str
    created_at: Time


class ModerationEntry(Answer, frozen=True):
    """`undoes` and `undone_by` are other entries."""

    id: str
    action: ModerationAction
    actor: ModerationPerson
    user: ModerationPerson | None
    message_id: str | None
    message_text: str | None
    reason: str | None
    details: dict[str, Any]
    undoes: str | None
    undone_by: str | None
    created_at: Time

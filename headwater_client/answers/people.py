"""Client · people as others see them, who follows whom, who is on a list, and what administrators see."""

from __future__ import annotations

from typing import Any, Literal

from headwater_client.answers.answer import Answer, Time


class User(Answer, frozen=True):
    id: str
    username: str
    avatar_url: str | None
    bio: str
    roles: list[str]
    is_streamer: bool
    is_verified: bool
    follower_count: int
    created_at: Time


class Follow(Answer, frozen=True):
    user: User
    followed_at: Time


class Following(Answer, frozen=True):
    following: bool


class ListedPerson(Answer, frozen=True):
    """Somebody on a stream's list of moderators or of viewers, `since` when."""

    id: str
    username: str
    avatar_url: str | None
    since: Time


class AdministeredUser(Answer, frozen=True):
    id: str
    username: str
    email: str | None
    roles: list[str]
    is_verified: bool
    suspended_at: Time | None
    suspension_reason: str | None
    created_at: Time


class AuditEntry(Answer, frozen=True):
    id: str
    actor: str
    actor_username: str | None
    action: str
    subject_kind: Literal["user", "stream", "site"]
    subject: str
    subject_username: str | None
    reason: str | None
    details: dict[str, Any]
    created_at: Time

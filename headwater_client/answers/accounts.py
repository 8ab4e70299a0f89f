"""Client · one's own account: tokens, sessions, ways to sign in, the picture, the export."""

from __future__ import annotations

from typing import Literal

from headwater_client.answers.answer import Answer, Time
from headwater_client.answers.people import User


class OwnUser(User, frozen=True):
    email: str | None
    email_verified: bool
    has_password: bool


class Tokens(Answer, frozen=True, kw_only=True):
    """The access token holds for `expires_in` seconds; the refresh token works once."""

    user: OwnUser
    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - it is no password
    expires_in: int


class Arrival(Tokens, frozen=True, kw_only=True):
    is_new: bool
    email_in_use: bool


class SignInSession(Answer, frozen=True):
    id: str
    current: bool
    device: str
    address: str
    created_at: Time
    last_used_at: Time
    expires_at: Time


class SignInProvider(Answer, frozen=True):
    provider: str
    label: str


class Identity(Answer, frozen=True):
    id: str
    provider: str
    label: str | None
    linked_at: Time
    last_used_at: Time | None


class LinkStart(Answer, frozen=True):
    url: str


class PersonalToken(Answer, frozen=True):
    id: str
    name: str
    scopes: list[str]
    created_at: Time
    expires_at: Time
    last_used_at: Time | None


class NewPersonalToken(PersonalToken, frozen=True):
    token: str


class AvatarUpload(Answer, frozen=True):
    url: str
    fields: dict[str, str]
    expires_in: int
    max_bytes: int
    content_types: list[str]


class Avatar(Answer, frozen=True):
    status: Literal["none", "pending", "ready", "failed"]
    avatar_url: str | None
    problem: str | None


class Export(Answer, frozen=True):
    id: str
    status: Literal["pending", "ready", "failed"]
    created_at: Time
    expires_at: Time | None
    url: str | None

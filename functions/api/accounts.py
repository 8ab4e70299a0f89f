"""Stage 7 · what answers about accounts and their sessions carry. Grows by addition only."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from headwater.domain.accounts import User
from headwater.domain.sign_in import SignInSession, device_name


class UserOut(BaseModel):
    id: str
    username: str
    avatar_url: str | None
    bio: str
    roles: list[str]
    is_streamer: bool
    is_verified: bool
    follower_count: int
    created_at: datetime


class OwnUserOut(UserOut):
    email: str | None
    email_verified: bool
    has_password: bool


class TokensOut(BaseModel):
    user: OwnUserOut
    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - it is no password
    expires_in: int


class SessionOut(BaseModel):
    id: str
    current: bool
    device: str
    address: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


def user_out(user: User) -> UserOut:
    return UserOut(**_user_fields(user))


def own_user_out(user: User) -> OwnUserOut:
    return OwnUserOut(
        **_user_fields(user), email=user.email, email_verified=user.email_verified, has_password=user.has_password
    )


def _user_fields(user: User) -> dict[str, Any]:
    return {
        "id": user.user_id,
        "username": user.username,
        "avatar_url": user.avatar_url,
        "bio": user.bio,
        "roles": list(user.roles),
        "is_streamer": user.is_streamer,
        "is_verified": user.is_verified,
        "follower_count": user.follower_count,
        "created_at": user.created_at,
    }


def session_out(session: SignInSession, current_id: str) -> SessionOut:
    return SessionOut(
        id=session.session_id,
        current=session.session_id == current_id,
        device=device_name(session.device.user_agent),
        address=session.device.address,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        expires_at=session.expires_at,
    )

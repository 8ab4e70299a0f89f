"""Stage 7 · what requests and answers about people carry: administration, lists, follows, tokens, avatars, exports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from functions.api.accounts import UserOut
from functions.api.request_bodies import Body, ShownPassword, line_of_text, lines_of_text, stripped
from headwater.adapters.administered_users import AdministeredUser
from headwater.domain.accounts import Role
from headwater.domain.audit import MAX_REASON_LENGTH, AuditEntry
from headwater.domain.personal_tokens import LONGEST_LIFE_DAYS, PersonalToken, Scope

Reason = Annotated[str, stripped(1, MAX_REASON_LENGTH), AfterValidator(lines_of_text)]
TokenName = Annotated[str, stripped(1, 60), AfterValidator(line_of_text)]
GrantableRole = Literal[Role.STREAMER, Role.MODERATOR, Role.ADMIN]


class Because(Body):
    reason: Reason


class MaybeBecause(Body):
    reason: Reason | None = None


AnyScope = Annotated[str, WithJsonSchema({"type": "string", "enum": list(Scope)})]


class NewPersonalToken(Body):
    name: TokenName
    scopes: Annotated[list[AnyScope], Field(min_length=1, max_length=len(Scope))]
    expires_in_days: Annotated[int, Field(ge=1, le=LONGEST_LIFE_DAYS)] = 90


class Farewell(Body):
    """Who deletes an account proves that it is theirs: by the password, or by having signed in a moment ago."""

    password: ShownPassword | None = None


class AdministeredUserOut(BaseModel):
    id: str
    username: str
    email: str | None
    roles: list[str]
    is_verified: bool
    suspended_at: datetime | None
    suspension_reason: str | None
    created_at: datetime


class AuditEntryOut(BaseModel):
    id: str
    actor: str
    actor_username: str | None
    action: str
    subject_kind: Literal["user", "stream", "site"]
    subject: str
    subject_username: str | None
    reason: str | None
    details: dict[str, Any]
    created_at: datetime


class ListedPersonOut(BaseModel):
    """Somebody on a stream's list of moderators or of viewers."""

    id: str
    username: str
    avatar_url: str | None
    since: datetime


class FollowOut(BaseModel):
    user: UserOut
    followed_at: datetime


class FollowingOut(BaseModel):
    following: bool


class PersonalTokenOut(BaseModel):
    id: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class NewPersonalTokenOut(PersonalTokenOut):
    token: str = Field(description="Shown this once.")


class AvatarUploadOut(BaseModel):
    """An HTML form for `multipart/form-data`: the fields in this order, then the picture as `file`."""

    url: str
    fields: dict[str, str]
    expires_in: int
    max_bytes: int
    content_types: list[str]


class AvatarOut(BaseModel):
    status: Literal["none", "pending", "ready", "failed"]
    avatar_url: str | None
    problem: str | None


class ExportOut(BaseModel):
    id: str
    status: Literal["pending", "ready", "failed"]
    created_at: datetime
    expires_at: datetime | None
    url: str | None = Field(description="Where the file is for a few minutes; ask again for a fresh address.")


def administered_user_out(user: AdministeredUser) -> AdministeredUserOut:
    return AdministeredUserOut(
        id=user.user_id,
        username=user.username,
        email=user.email,
        roles=list(user.roles),
        is_verified=user.is_verified,
        suspended_at=user.suspended_at,
        suspension_reason=user.suspension_reason,
        created_at=user.created_at,
    )


def audit_entry_out(entry: AuditEntry) -> AuditEntryOut:
    return AuditEntryOut(
        id=entry.entry_id,
        actor=entry.actor_id,
        actor_username=entry.actor_name,
        action=entry.action,
        subject_kind=entry.subject.kind.value,
        subject=entry.subject.subject_id,
        subject_username=entry.subject_name,
        reason=entry.reason,
        details=dict(entry.details),
        created_at=entry.created_at,
    )


def personal_token_out(token: PersonalToken) -> PersonalTokenOut:
    return PersonalTokenOut(
        id=token.token_id,
        name=token.name,
        scopes=list(token.scopes),
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
    )

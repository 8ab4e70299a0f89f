"""Stage 7 · what requests may carry. Strict: an unknown field, a wrong type or a stray control character is refused."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from headwater.domain import usernames
from headwater.domain.accounts import (
    MAX_EMAIL_LENGTH,
    MAX_PASSWORD_LENGTH,
    MIN_PASSWORD_LENGTH,
    is_email,
)
from headwater.domain.mail_links import MAX_LINK_TOKEN_LENGTH
from headwater.domain.refresh_tokens import MAX_REFRESH_TOKEN_LENGTH

# Controls, lone surrogates, line and paragraph separators. Joiners stay: emoji are built with them.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Overrides of the writing direction, with which a title can be made to read as something else (CVE-2021-42574).
_REFUSED_CHARACTERS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def line_of_text(text: str) -> str:
    if any(
        character in _REFUSED_CHARACTERS or unicodedata.category(character) in _REFUSED_CATEGORIES for character in text
    ):
        raise ValueError("Control characters are not allowed.")
    return text


def lines_of_text(text: str) -> str:
    line_of_text(text.replace("\n", "").replace("\r", "").replace("\t", ""))
    return text


def opaque(text: str) -> str:
    """Passwords may hold anything that can be encoded and stored."""
    if "\x00" in text or any(unicodedata.category(character) == "Cs" for character in text):
        raise ValueError("This cannot be encoded.")
    return text


def _email(text: str) -> str:
    if not is_email(text):
        raise ValueError("This is not an e-mail address.")
    return text


def _username(text: str) -> str:
    objection = usernames.objection(text)
    if objection is not None:
        raise ValueError(objection)
    return text


def stripped(least: int, most: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=least, max_length=most)


Bio = Annotated[str, stripped(0, 500), AfterValidator(lines_of_text)]
Email = Annotated[str, stripped(3, MAX_EMAIL_LENGTH), AfterValidator(_email)]
Username = Annotated[
    str,
    StringConstraints(max_length=256),
    AfterValidator(_username),
    WithJsonSchema({"type": "string", "pattern": usernames.PATTERN}),
]
NewPassword = Annotated[
    str, Field(min_length=MIN_PASSWORD_LENGTH, max_length=MAX_PASSWORD_LENGTH), AfterValidator(opaque)
]

# In a PATCH, a field that is not sent stays as it is. `null` is a value, and only valid where the field's type says so.
ABSENT: Any = None


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


def _without_null_defaults(schema: dict[str, Any]) -> None:
    for field in schema.get("properties", {}).values():
        if field.get("default", "") is None:
            del field["default"]


class Patch(Body):
    model_config = ConfigDict(json_schema_extra=_without_null_defaults)


class Registration(Body):
    username: Username
    email: Email
    password: NewPassword


# One that may be wrong: whether it is right is all that counts.
ShownPassword = Annotated[str, Field(max_length=1024), AfterValidator(opaque)]


class Login(Body):
    login: Annotated[str, Field(max_length=MAX_EMAIL_LENGTH), AfterValidator(opaque)]
    password: ShownPassword


class Refresh(Body):
    refresh_token: Annotated[str, Field(max_length=MAX_REFRESH_TOKEN_LENGTH), AfterValidator(opaque)]


class PasswordChange(Body):
    current_password: ShownPassword
    new_password: NewPassword


class AddressChange(Body):
    email: Email
    password: ShownPassword | None = None


class ForgottenPassword(Body):
    email: Email


LinkToken = Annotated[str, Field(max_length=MAX_LINK_TOKEN_LENGTH), AfterValidator(opaque)]


class PasswordReset(Body):
    token: LinkToken
    password: NewPassword


class EmailLink(Body):
    token: LinkToken


class ProfilePatch(Patch):
    bio: Bio = ABSENT

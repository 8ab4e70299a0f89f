"""Settings come from the environment, checked once against a declared shape, at the first call and never at import.

Each function declares its own `Settings(EnvironmentSettings)` with one field per variable; `stream_table` reads
`STREAM_TABLE`. A test holds every declaration against the deployed template.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeVar

import msgspec


class EnvironmentSettings(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """Base of every function's settings: field names in upper case are the names of the variables."""


class DatabaseSettings(EnvironmentSettings, frozen=True, kw_only=True):
    """Of every function that uses the database."""

    database_secret: str
    database_address: str = ""  # `host:port/name`, where the secret does not say it
    # PEM file of who may have signed the database's certificate, from the root of what is deployed; without one it is not
    # asked for, unless the secret's own URL does.
    database_authorities: str = ""


class SettingsError(RuntimeError):
    """A variable is missing or has the wrong form. Raised at the first call; deployment is wrong, not the request."""


S = TypeVar("S", bound=EnvironmentSettings)


def load_settings(shape: type[S], environ: Mapping[str, str] | None = None) -> S:
    """`shape` filled from the environment. Raises SettingsError naming the first variable that is missing or malformed."""
    source = os.environ if environ is None else environ
    names = {field.encode_name for field in msgspec.structs.fields(shape)}
    try:
        return msgspec.convert({name: source[name] for name in names if name in source}, shape, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{shape.__module__}: {error}") from None


def comma_separated(text: str) -> tuple[str, ...]:
    """The items of a variable that holds several, without the space around them; none for an empty one."""
    return tuple(item.strip() for item in text.split(",") if item.strip())

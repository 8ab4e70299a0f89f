"""A deployer's own values: a TOML file whose keys are the fields of `Stage`, and whose tables are its areas.

    mail_sender = "Headwater <no-reply@example.com>"
    [database]
    max_acu = 16
    [[sign_in_providers]]
    name = "google"
    client_id = "…"

What is not in the file stays as the stage has it. `delivery = false` leaves an area out. A key that nobody knows, and a
value of another kind than its field's, are errors that name the setting and what would be right.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from infra.config.errors import ConfigurationError

# Decided by the stage, not by whoever deploys it: they hold product and platform together.
_NOT_FOR_DEPLOYERS = frozenset(
    {
        "name",
        "function_runtime",
        "function_environment",
        "websocket_callback_url",
        "hooks_base_url",
        "socket_route_responses",
        "uses_bootstrap_roles",
    }
)


def read_values(path: str) -> dict[str, object]:
    """The file as TOML has it. Raises ConfigurationError when there is none, or when it is not TOML."""
    try:
        with Path(path).open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(f"`-c settings=…` names a file that cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from None


def with_values(shape: type[Any], defaults: Mapping[str, object], given: Mapping[str, object]) -> Any:
    """`shape` made of `defaults` and, over them, `given`. Raises ConfigurationError naming what is wrong or missing."""
    return _made(shape, defaults, given, where="", closed=_NOT_FOR_DEPLOYERS)


def _made(
    shape: type[Any],
    defaults: Mapping[str, object],
    given: Mapping[str, object],
    *,
    where: str,
    closed: Collection[str] = (),
    other_kinds: Collection[str] = (),
) -> Any:
    wanted = typing.get_type_hints(shape)
    open_fields = [each.name for each in dataclasses.fields(shape) if each.name not in closed]
    for key in given:
        if key not in open_fields:
            if key in other_kinds:
                others = ", ".join(sorted(given.keys() & set(open_fields)))
                raise ConfigurationError(f"{where}{key} is of another kind than {others}: set one kind or the other")
            raise ConfigurationError(_unknown(f"{where}{key}", key, [*open_fields, *other_kinds]))
    values = dict(defaults)
    for key, value in given.items():
        values[key] = _converted(wanted[key], value, values.get(key), setting=f"{where}{key}")
    for each in dataclasses.fields(shape):
        required = each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
        if required and each.name not in values:
            raise ConfigurationError(f"{where}{each.name} is missing: it must be {_kind(wanted[each.name])}")
    return shape(**values)


def _converted(wanted: Any, value: object, default: object, *, setting: str) -> Any:
    """`value`, as TOML has it, as what the field wants; an area keeps of `default` what it does not say."""
    options = _options(wanted)
    areas = [each for each in options if dataclasses.is_dataclass(each)]
    if isinstance(value, dict) and areas:
        shape = _closest(areas, value, default)
        kept = {name: getattr(default, name) for name in _names(shape)} if type(default) is shape else {}
        others = set[str]().union(*(_names(each) for each in areas)) - _names(shape)
        return _made(shape, kept, value, where=f"{setting}.", other_kinds=others)
    if value is False and areas and type(None) in options:
        return None
    for option in options:
        if typing.get_origin(option) is tuple and isinstance(value, list):
            member = typing.get_args(option)[0]
            return tuple(_converted(member, each, None, setting=f"{setting}[{at}]") for at, each in enumerate(value))
        if typing.get_origin(option) is typing.Literal and value in typing.get_args(option):
            return value
        if option is float and type(value) is int:
            return float(value)
        if isinstance(option, type) and type(value) is option:  # a bool is no number here
            return value
    raise ConfigurationError(f"{setting} must be {_kind(wanted)}, not {_shown(value)}")


def _closest(areas: list[Any], value: Mapping[str, object], default: object) -> Any:
    """Of several kinds of an area (made here, or existing), the one with most of these fields; the stage's own if in doubt."""
    return max(areas, key=lambda each: (len(value.keys() & _names(each)), each is type(default)))


def _names(shape: Any) -> set[str]:
    return {each.name for each in dataclasses.fields(shape)}


def _options(wanted: Any) -> list[Any]:
    return list(typing.get_args(wanted)) if isinstance(wanted, types.UnionType) else [wanted]


def _kind(wanted: Any) -> str:
    """What a field wants, in the words of whoever writes TOML."""
    words = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
    said = []
    for option in _options(wanted):
        if option is type(None):
            continue
        if typing.get_origin(option) is tuple:
            [member] = {each for each in typing.get_args(option) if each is not Ellipsis}
            said.append("a list of tables" if dataclasses.is_dataclass(member) else f"a list, each {_kind(member)}")
        elif typing.get_origin(option) is typing.Literal:
            said.append("one of " + ", ".join(map(repr, typing.get_args(option))))
        elif dataclasses.is_dataclass(option):
            said.append(f"a table of {', '.join(field.name for field in dataclasses.fields(option))}")
        else:
            said.append(words.get(option, str(option)))
    return " or ".join(said)


def _shown(value: object) -> str:
    return "a table" if isinstance(value, dict) else repr(value)


def _unknown(setting: str, key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    meant = f"did you mean {setting.removesuffix(key)}{near[0]}?" if near else f"known: {', '.join(sorted(known))}"
    return f"there is no setting {setting}; {meant}"

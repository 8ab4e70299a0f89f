"""Holds the frames of chat against the published protocol, `docs/chat.asyncapi.yaml`.

`.venv/bin/python -m tests.chat_protocol` writes that file anew when frames have changed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import yaml

from headwater.domain.chat_protocol import asyncapi_document
from headwater.domain.client_frames import CLIENT_FRAMES
from headwater.domain.server_frames import EVENT_SCHEMA, EVENTS, SERVER_FRAMES

PUBLISHED = Path(__file__).parent.parent / "docs/chat.asyncapi.yaml"
_DOCUMENT = asyncapi_document("wss://chat.example.org/chat")


class NotInProtocol(AssertionError):
    """A frame that the document does not describe."""


def check_client_frame(frame: Mapping[str, Any]) -> None:
    """Raises NotInProtocol. Clients may send fields that nobody knows."""
    _check(frame, frame.get("action"), _of_tags(CLIENT_FRAMES, strict=False))


def check_server_frame(body: str | bytes) -> dict[str, Any]:
    """The frame in `body`. Raises NotInProtocol, also for a field that is not described."""
    frame: dict[str, Any] = msgspec.json.decode(body)
    _check(frame, frame.get("type"), _of_tags(SERVER_FRAMES, strict=True))
    for event in (*frame.get("messages", ()), *frame.get("events", ())):
        _check(event, event.get("type"), _of_tags(EVENTS, strict=True))
    return frame


def is_described(frame: Mapping[str, Any]) -> bool:
    """Whether a client may send this."""
    try:
        check_client_frame(frame)
    except NotInProtocol:
        return False
    return True


def _check(value: Mapping[str, Any], tag: object, validators: Mapping[object, jsonschema_rs.Validator]) -> None:
    if not isinstance(tag, str) or tag not in validators:
        raise NotInProtocol(f"{tag!r} is none of {sorted(map(str, validators))}: {value}")
    for error in validators[tag].iter_errors(value):
        raise NotInProtocol(f"`{tag}`: {error.message} at {error.instance_path}: {value}")


@functools.cache
def _of_tags(structs: tuple[type[msgspec.Struct], ...], *, strict: bool) -> Mapping[object, jsonschema_rs.Validator]:
    """By what stands in the frame's or event's `action` or `type`."""
    schemas = dict(_DOCUMENT["components"]["schemas"])
    if strict:
        schemas = {name: {**schema, **_closed(schema)} for name, schema in schemas.items()}
        schemas[EVENT_SCHEMA] = {}  # each is looked at for itself, which says better what is wrong
    return {
        struct.__struct_config__.tag: jsonschema_rs.Draft202012Validator(
            {"$ref": f"#/components/schemas/{struct.__name__}", "components": {"schemas": schemas}}
        )
        for struct in structs
    }


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"additionalProperties": False} if "properties" in schema else {}


def as_text() -> str:
    return yaml.safe_dump(_DOCUMENT, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    PUBLISHED.write_text(as_text())

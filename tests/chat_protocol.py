"""Holds the frames of chat against their published protocol, an AsyncAPI document.

`.venv/bin/python -m tests.chat_protocol` writes `docs/chat.asyncapi.yaml` anew when frames have changed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import yaml

PUBLISHED = Path(__file__).parent.parent / "docs/chat.asyncapi.yaml"
_SCHEMAS = "#/components/schemas/"


class NotInProtocol(AssertionError):
    """A frame that the document does not describe."""


class Protocol:
    def __init__(self, document: Mapping[str, Any]) -> None:
        components = document["components"]
        frames = [message["payload"]["$ref"] for message in components["messages"].values()]
        events = [each["$ref"] for each in components["schemas"]["Event"]["oneOf"]]
        self._loose = dict(components["schemas"])
        self._strict = {name: {**schema, **_closed(schema)} for name, schema in self._loose.items()}
        self._strict["Event"] = {}  # each is looked at for itself, which says better what is wrong
        self._sent = self._by_tag("action", frames, self._loose)
        self._received = self._by_tag("type", frames, self._strict)
        self._events = self._by_tag("type", events, self._strict)

    def check_client_frame(self, frame: Mapping[str, Any]) -> None:
        """Raises NotInProtocol. Clients may send fields that nobody knows."""
        _check(frame, frame.get("action"), self._sent)

    def check_server_frame(self, body: str | bytes) -> dict[str, Any]:
        """The frame in `body`. Raises NotInProtocol, also for a field that is not described."""
        frame: dict[str, Any] = msgspec.json.decode(body)
        _check(frame, frame.get("type"), self._received)
        for event in (*frame.get("messages", ()), *frame.get("events", ())):
            _check(event, event.get("type"), self._events)
        return frame

    def _by_tag(
        self, field: str, references: list[str], schemas: Mapping[str, Any]
    ) -> Mapping[str, jsonschema_rs.Validator]:
        """By what stands in this field of a frame or an event."""
        found = {}
        for reference in references:
            tag = schemas[reference.removeprefix(_SCHEMAS)]["properties"].get(field)
            if tag is not None:
                whole = {"$ref": reference, "components": {"schemas": schemas}}
                found[tag["enum"][0]] = jsonschema_rs.Draft202012Validator(whole)
        return found


def check_client_frame(frame: Mapping[str, Any]) -> None:
    ours().check_client_frame(frame)


def check_server_frame(body: str | bytes) -> dict[str, Any]:
    return ours().check_server_frame(body)


@functools.cache
def ours() -> Protocol:
    """That of the code as it is."""
    return Protocol(document())


def document() -> dict[str, Any]:
    from headwater.domain.chat_protocol import asyncapi_document  # end-to-end tests ask the API for it

    return asyncapi_document("wss://chat.example.org/chat")


def as_text() -> str:
    return yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=120)


def _check(value: Mapping[str, Any], tag: object, validators: Mapping[str, jsonschema_rs.Validator]) -> None:
    if not isinstance(tag, str) or tag not in validators:
        raise NotInProtocol(f"{tag!r} is none of {sorted(validators)}: {value}")
    for error in validators[tag].iter_errors(value):
        raise NotInProtocol(f"`{tag}`: {error.message} at {error.instance_path}: {value}")


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"additionalProperties": False} if "properties" in schema else {}


if __name__ == "__main__":
    PUBLISHED.write_text(as_text())

"""Stage 7 · the chat protocol as an AsyncAPI 3 document, made from the structs that read and write its frames.

There is nothing here to keep in step with them: a frame that is in `AnyClientFrame` or `AnyServerFrame`, and an event that is
in `AnyEvent`, is in the document, with its docstring. https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import inspect

from headwater.domain.chat import BAD_FRAMES_IN_A_ROW, FRAME_LIMIT_BYTES
from headwater.domain.client_frames import CLIENT_FRAMES, ClientFrame, Join, Ping
from headwater.domain.server_frames import (
    EVENT_SCHEMA,
    EVENTS,
    SERVER_FRAMES,
    Ack,
    ErrorFrame,
    Events,
    Joined,
    NumberedEvent,
    Pong,
    ServerFrame,
)

_SCHEMAS = "#/components/schemas/"
_CHANNEL = "#/channels/socket"
_ANSWERS: Mapping[type[ClientFrame], type[ServerFrame]] = {Join: Joined, Ping: Pong}  # and to all others: Ack

_DESCRIPTION = (
    "JSON text frames over one WebSocket, for as many rooms as one likes; a stream's room is named by its id. "
    f"Frames of clients carry `action`, and take at most {FRAME_LIMIT_BYTES} bytes. The answer to one that carries a `nonce` "
    f"repeats it; what cannot be done is answered with `error`. {BAD_FRAMES_IN_A_ROW} frames in a row that cannot be "
    "understood close the socket. Events with a `seq` come in its order, without a hole, and may come more than once: whoever "
    "finds a hole, or was away, sends `join` with the `seq` of the last event that they have. Fields, events and frames are "
    "added as time goes on: ignore what you do not know."
)


def asyncapi_document(ws_url: str) -> dict[str, Any]:
    """`ws_url`: where sockets are opened, `wss://…`."""
    url = urlsplit(ws_url)
    frames = {_name(frame): frame for frame in (*CLIENT_FRAMES, *SERVER_FRAMES)}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Headwater chat", "version": "1", "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {"chat": {"host": url.netloc, "pathname": url.path, "protocol": url.scheme}},
        "channels": {
            "socket": {
                "address": "/",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in frames},
                "bindings": {"ws": _HANDSHAKE},
            }
        },
        "operations": {
            **{_name(frame): _request(frame) for frame in CLIENT_FRAMES},
            # What comes unasked; it follows a `joined`, too, that had no room for all that was missed.
            _name(Events): {"action": "send", "channel": {"$ref": _CHANNEL}, "messages": [_message(Events)]},
        },
        "components": {
            "messages": {
                name: {"name": name, "summary": _told(frame.__doc__), "payload": {"$ref": _SCHEMAS + frame.__name__}}
                for name, frame in frames.items()
            },
            "schemas": _schemas(),
        },
    }


_HANDSHAKE = {
    "method": "GET",
    "query": {
        "type": "object",
        "properties": {
            "ticket": {
                "type": "string",
                "description": "Of `POST /v1/chat/tickets`: works once, for 30 seconds. Without it, the socket only reads.",
            }
        },
    },
    "headers": {
        "type": "object",
        "properties": {"Origin": {"type": "string", "description": "Of a page: one that this deployment allows."}},
    },
    "bindingVersion": "0.1.0",
}


def _request(frame: type[ClientFrame]) -> dict[str, Any]:
    answers = [_message(_ANSWERS.get(frame, Ack)), _message(ErrorFrame)]
    return {
        "action": "receive",
        "channel": {"$ref": _CHANNEL},
        "messages": [_message(frame)],
        "reply": {"channel": {"$ref": _CHANNEL}, "messages": answers},
    }


def _schemas() -> dict[str, Any]:
    described = (*CLIENT_FRAMES, *SERVER_FRAMES, *EVENTS)
    _, schemas = msgspec.json.schema_components(described, ref_template=_SCHEMAS + "{name}")
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = _told(schema["description"])
    for struct in _structs(inspect.multi_type_info((*SERVER_FRAMES, *EVENTS))):
        _say_what_is_always_there(struct, schemas[struct.__name__])
    return {**schemas, EVENT_SCHEMA: {"oneOf": [{"$ref": _SCHEMAS + event.__name__} for event in EVENTS]}}


def _say_what_is_always_there(struct: type[msgspec.Struct], schema: dict[str, Any]) -> None:
    """msgspec tells what has to be there when it reads. Of what we write, only what has no value can be left out."""
    if not struct.__struct_config__.omit_defaults:
        unset = {field.encode_name for field in msgspec.structs.fields(struct) if field.default is msgspec.UNSET}
        schema["required"] = [name for name in schema["properties"] if name not in unset]
    if issubclass(struct, NumberedEvent):
        schema["required"] = [*schema["required"], "seq"]
    for name in schema.get("required", ()):
        schema["properties"][name].pop("default", None)


def _structs(types: object) -> Iterator[type[msgspec.Struct]]:
    """Every struct in what msgspec tells of `types`."""
    if isinstance(types, inspect.StructType):
        yield types.cls
        for field in types.fields:
            yield from _structs(field.type)
    elif isinstance(types, (list, tuple)):
        for each in types:
            yield from _structs(each)
    elif isinstance(types, inspect.Type):
        for name in ("types", "type", "item_types", "item_type", "value_type"):
            yield from _structs(getattr(types, name, ()))


def _name(frame: type[msgspec.Struct]) -> str:
    return str(frame.__struct_config__.tag)


def _message(frame: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"{_CHANNEL}/messages/{_name(frame)}"}


def _told(docstring: str | None) -> str:
    return " ".join((docstring or "").split())

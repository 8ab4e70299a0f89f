"""The published protocol of chat is the one that is spoken."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
import yaml

from headwater.domain.client_frames import CLIENT_FRAMES, ClientFrame, read_frame
from headwater.domain.ids import StreamId
from headwater.domain.server_frames import (
    EVENTS,
    SERVER_FRAMES,
    Events,
    Figure,
    NumberedEvent,
    Pong,
    ServerFrame,
    encode,
)
from headwater.errors import BadFrame, UnknownAction
from tests.chat_protocol import PUBLISHED, NotInProtocol, as_text, check_client_frame, check_server_frame

STREAM = StreamId("0123456789abcdefghjkmn")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(PUBLISHED.read_text())
    return found


def test_the_published_file_is_what_the_frames_make() -> None:
    assert PUBLISHED.read_text() == as_text(), f"`python -m tests.chat_protocol` writes {PUBLISHED.name} anew"


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(re.findall(r"'\$ref': '#/([\w/]+)'", str(document)))
    assert references, "then this looks at nothing"
    for reference in references:
        found: Any = document
        for name in reference.split("/"):
            assert name in found, reference
            found = found[name]


def test_everything_in_it_is_told_in_words(document: dict[str, Any]) -> None:
    silent = [name for name, each in document["components"]["messages"].items() if len(each["summary"]) < 10]
    silent += [event.__name__ for event in EVENTS if not event.__doc__]
    assert silent == []


def test_no_frame_or_event_is_left_out() -> None:
    def leaves(kind: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
        return {found for child in kind.__subclasses__() for found in leaves(child)} or {kind}

    assert leaves(ClientFrame) == set(CLIENT_FRAMES)
    assert leaves(ServerFrame) == set(SERVER_FRAMES)
    # A kind of event that has no events yet is its own leaf.
    assert (leaves(NumberedEvent) | leaves(Figure)) - {Figure} == set(EVENTS)


def test_every_id_that_a_client_sends_is_looked_at() -> None:
    for frame in CLIENT_FRAMES:
        for field in msgspec.structs.fields(frame):
            if field.encode_name.endswith("_id") or field.encode_name == "reply_to":
                action = {"action": frame.__struct_config__.tag, "stream_id": STREAM, field.encode_name: "../x"}
                with pytest.raises(BadFrame, match=rf"\$\.{field.encode_name}|missing required"):
                    read_frame(msgspec.json.encode(action).decode())


@pytest.mark.parametrize(
    "frame",
    [
        {"action": "dance"},
        {"action": "join"},
        {"action": "join", "stream_id": "../../etc/passwd"},
        {"action": "join", "stream_id": STREAM, "after_seq": -1},
        {"action": "send", "stream_id": STREAM},
        {"action": "ping", "nonce": ""},
    ],
)
def test_what_is_not_described_is_not_understood(frame: dict[str, Any]) -> None:
    with pytest.raises(NotInProtocol):
        check_client_frame(frame)
    with pytest.raises((BadFrame, UnknownAction)):
        read_frame(msgspec.json.encode(frame).decode())


@pytest.mark.parametrize(
    "body",
    [
        '{"type":"something_new"}',
        '{"type":"pong","extra":1}',
        '{"type":"error","code":"x"}',
        '{"type":"events","stream_id":"s","events":[{"type":"stream_status","status":"live","at":"now"}]}',  # no seq
        '{"type":"events","stream_id":"s","events":[{"type":"dance","seq":1}]}',
    ],
)
def test_what_the_server_does_not_say_is_found_out(body: str) -> None:
    with pytest.raises(NotInProtocol):
        check_server_frame(body)
    check_server_frame(encode(Pong()))
    told = msgspec.Raw(b'{"type":"stream_status","seq":1,"status":"live","at":"now"}')
    check_server_frame(encode(Events(stream_id=STREAM, events=[told])))

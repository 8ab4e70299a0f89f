"""The chat protocol, frame by frame: what clients may rely on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import structs

from headwater.domain.chat import FRAME_LIMIT_BYTES, Chatter, RoomEvent, RoomRole, RoomView
from headwater.domain.client_frames import Join, Leave, Ping, Send, nonce_of, read_frame
from headwater.domain.ids import MessageId, StreamId, UserId
from headwater.domain.server_frames import Ack, Pong, encode, error_frame, events_frames, joined_frames, message_event
from headwater.errors import BadFrame, HeadwaterError, RateLimited, UnknownAction
from tests.chat_protocol import check_server_frame

STREAM = StreamId("0123456789abcdefghjkmn")
MESSAGE = MessageId("1m81e87nfcyt6snmb1jr21")
ADA = Chatter(UserId("user-1"), "ada")


def plain(frame: str) -> dict[str, Any]:
    return check_server_frame(frame)


@pytest.mark.parametrize(
    ("body", "frame"),
    [
        ({"action": "join", "stream_id": STREAM}, Join(stream_id=STREAM)),
        (
            {"action": "join", "stream_id": STREAM, "after_seq": 7, "nonce": "n"},
            Join(stream_id=STREAM, after_seq=7, nonce="n"),
        ),
        (
            {"action": "send", "stream_id": STREAM, "text": "hi", "nonce": "n"},
            Send(stream_id=STREAM, text="hi", nonce="n"),
        ),
        (
            {"action": "send", "stream_id": STREAM, "text": "hi", "nonce": "n", "reply_to": MESSAGE},
            Send(stream_id=STREAM, text="hi", nonce="n", reply_to=MESSAGE),
        ),
        ({"action": "leave", "stream_id": STREAM}, Leave(stream_id=STREAM)),
        ({"action": "ping", "from_the_future": [1, {"a": None}]}, Ping()),
    ],
)
def test_every_client_frame_is_read(body: dict[str, Any], frame: object) -> None:
    assert read_frame(msgspec.json.encode(body).decode()) == frame


@pytest.mark.parametrize(
    "body",
    [
        "",
        "ping",
        "null",
        "[]",
        "{}",
        '{"action":null}',
        '{"action":["ping"]}',
        '{"action":"ping"',
        '{"action":"ping","nonce":7}',
        '{"action":"ping","nonce":""}',
        '{"action":"ping","nonce":"' + "n" * 65 + '"}',
        '{"action":"join"}',
        '{"action":"join","stream_id":"../../etc/passwd"}',
        '{"action":"join","stream_id":"{x}"}',
        '{"action":"join","stream_id":7}',
        '{"action":"join","stream_id":"' + STREAM + '\\n"}',
        '{"action":"join","stream_id":"' + STREAM + '","after_seq":-1}',
        '{"action":"join","stream_id":"' + STREAM + '","after_seq":"7"}',
        '{"action":"join","stream_id":"' + STREAM + '","after_seq":1e300}',
        '{"action":"join","stream_id":"' + STREAM + '","after_seq":9007199254740993}',
        '{"action":"send","stream_id":"' + STREAM + '"}',
        '{"action":"send","stream_id":"' + STREAM + '","text":null}',
        '{"action":"send","stream_id":"' + STREAM + '","text":"\\ud800"}',
        '{"action":"send","stream_id":"' + STREAM + '","text":"x","reply_to":"<b>"}',
        '{"action":"ping","pad":"' + "x" * FRAME_LIMIT_BYTES + '"}',
        "[" * 20_000,
        '{"action":"ping","deep":' + "[" * 15_000 + "]" * 15_000 + "}",
        '{"action":"dance","deep":' + "[" * 15_000 + "]" * 15_000 + "}",
        "\ud800",
        "\ufeff{}",
    ],
)
def test_a_wrong_frame_is_a_bad_frame(body: str) -> None:
    with pytest.raises(BadFrame) as raised:
        read_frame(body)
    assert len(raised.value.detail) < 200
    nonce_of(body)


@pytest.mark.parametrize("action", ["dance", "", "JOIN", "__init__"])
def test_an_action_that_there_is_not_is_named_so_with_its_nonce(action: str) -> None:
    body = msgspec.json.encode({"action": action, "nonce": "n"}).decode()
    with pytest.raises(UnknownAction):
        read_frame(body)
    assert nonce_of(body) == "n"


def test_the_small_answers() -> None:
    assert plain(encode(Ack(nonce="n", id=MESSAGE, seq=7))) == {"type": "ack", "nonce": "n", "id": MESSAGE, "seq": 7}
    assert plain(encode(Ack())) == {"type": "ack"}
    assert plain(encode(Pong())) == {"type": "pong"}
    assert plain(encode(Pong(nonce="n"))) == {"type": "pong", "nonce": "n"}
    assert plain(encode(error_frame(RateLimited("Slower.", retry_after_seconds=3), "n"))) == {
        "type": "error",
        "code": "rate_limited",
        "detail": "Slower.",
        "nonce": "n",
        "retry_after": 3,
    }
    assert "nonce" not in plain(encode(error_frame(BadFrame(), None)))


def test_every_refusal_can_be_told_as_an_error_frame() -> None:
    def walk(kind: type[HeadwaterError]) -> list[type[HeadwaterError]]:
        return [kind, *(found for child in kind.__subclasses__() for found in walk(child))]

    for kind in walk(HeadwaterError):
        told = plain(encode(error_frame(kind(), "n")))
        assert told["type"] == "error"
        assert told["code"] == kind.code
        assert told["detail"]


def test_a_message_event() -> None:
    event = message_event(MESSAGE, ADA, RoomRole.OWNER, "hi", (), None, 1_800_000_000_123)
    assert msgspec.json.decode(encode(event)) == {
        "type": "message",
        "id": MESSAGE,
        "user": {"id": "user-1", "username": "ada", "role": "owner", "badges": ["owner"]},
        "text": "hi",
        "emotes": [],
        "reply_to": None,
        "created_at": "2027-01-15T08:00:00.123Z",
    }


def room_events(first: int, last: int, size: int = 20) -> tuple[RoomEvent, ...]:
    said = message_event(MESSAGE, ADA, RoomRole.OWNER, "x" * size, (), None, 1_800_000_000_123)
    return tuple(RoomEvent(seq, encode(structs.replace(said, seq=seq))) for seq in range(first, last + 1))


def test_joined_afresh() -> None:
    (frame,) = joined_frames(
        RoomView(9, room_events(8, 9)), stream_id=STREAM, chatter=ADA, role=RoomRole.VIEWER, nonce="n", resumed=False
    )
    told = plain(frame)
    assert [event["seq"] for event in told.pop("messages")] == [8, 9]
    assert told == {
        "type": "joined",
        "stream_id": STREAM,
        "seq": 9,
        "you": {"user_id": "user-1", "username": "ada", "role": "viewer"},
        "settings": {
            "max_length": 500,
            "slow_seconds": 0,
            "followers_only": False,
            "follow_age_minutes": 0,
            "account_age_minutes": 0,
            "emote_only": False,
            "unique": False,
        },
        "nonce": "n",
    }


def test_joined_by_a_reader_of_an_empty_room() -> None:
    (frame,) = joined_frames(
        RoomView(9, ()), stream_id=STREAM, chatter=None, role=RoomRole.VIEWER, nonce=None, resumed=False
    )
    told = plain(frame)
    assert told["you"] is None
    assert told["messages"] == []
    assert told["seq"] == 9
    assert "gap" not in told
    assert "nonce" not in told


@pytest.mark.parametrize("resumed", [True, False])
@pytest.mark.parametrize("gap", [True, False])
def test_joined_never_breaks_the_limit_and_ends_where_it_says(resumed: bool, gap: bool) -> None:
    view = RoomView(300, room_events(1, 300, size=400), gap=gap)
    frames = joined_frames(view, stream_id=STREAM, chatter=None, role=RoomRole.VIEWER, nonce="n" * 64, resumed=resumed)
    assert max(len(frame.encode()) for frame in frames) <= FRAME_LIMIT_BYTES
    told = [plain(frame) for frame in frames]
    seqs = [event["seq"] for event in told[0]["messages"]]
    assert told[0]["seq"] == seqs[-1]
    if resumed and not gap:
        assert seqs[0] == 1
        rest = [event["seq"] for frame in told[1:] for event in frame["events"]]
        assert seqs + rest == list(range(1, 301))
        assert {frame["type"] for frame in told[1:]} == {"events"}
    else:
        assert len(frames) == 1
        assert seqs == list(range(seqs[0], 301))
        assert told[0].get("gap", False) is gap


def test_events_frames() -> None:
    (frame,) = events_frames(STREAM, room_events(1, 3))
    assert plain(frame)["type"] == "events"
    assert plain(frame)["stream_id"] == STREAM
    assert [event["seq"] for event in plain(frame)["events"]] == [1, 2, 3]

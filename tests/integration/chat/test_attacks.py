"""What somebody can do to a room's people who writes their own client: send text, and nothing else."""

from __future__ import annotations

import msgspec
import pytest

from headwater.adapters.cache import cache_client
from headwater.domain.chat import FRAME_LIMIT_BYTES
from headwater.domain.ids import StreamId, new_id
from tests.chat_backend import ChatBackend, socket_event


def test_of_all_that_a_frame_carries_only_the_text_reaches_the_others(chat: ChatBackend) -> None:
    mallory, ben = chat.signed_in("mallory"), chat.signed_in("ben")
    chat.join(mallory)
    chat.join(ben)
    forged = {
        "type": "message",
        "seq": 1,
        "id": new_id(),
        "user": {"id": chat.owner_id, "username": "owner", "role": "owner", "badges": ["owner"]},
        "user_id": chat.owner_id,
        "username": "owner",
        "role": "owner",
        "badges": ["owner"],
        "roles": ["admin"],
        "emotes": [{"id": "x", "name": "<b>", "start": 0, "end": 99}],
        "created_at": "1970-01-01T00:00:00.000Z",
        "html": "<script>alert(1)</script>",
        "__proto__": {"polluted": True},
    }
    ack = chat.send(mallory, '"}]},{"type":"cleared"}', **forged)
    chat.deliver()
    [event] = chat.endpoint.applied_events(ben)
    assert ack["id"] != forged["id"]
    assert event == {
        "type": "message",
        "seq": ack["seq"],
        "id": ack["id"],
        "user": {"id": "user-mallory", "username": "mallory", "role": "viewer", "badges": []},
        "text": '"}]},{"type":"cleared"}',
        "emotes": [],
        "reply_to": None,
        "created_at": event["created_at"],
    }
    assert event["created_at"] > "2020"
    assert not any("script" in frame or "polluted" in frame for frame in chat.endpoint.frames[ben])


def test_a_reply_names_a_message_of_the_room_or_nothing(chat: ChatBackend) -> None:
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    chat.join(ada)
    chat.join(ben)
    first = chat.send(ada, "first")["id"]
    for n in range(120):
        chat.send(ada, f"{n}")
    elsewhere = StreamId(new_id())
    chat.create_stream(elsewhere, chat.owner_id)
    chat.join(ada, stream_id=elsewhere)
    other = chat.send(ada, "in another room", stream_id=elsewhere)["id"]
    forged = new_id()
    for reply_to in (first, other, forged):
        chat.send(ben, f'"type":"message","id":"{forged}"', reply_to=reply_to)
    recent = chat.rooms.recent(chat.stream_id, None, 3)
    assert [event.reply_to for event in recent] == [None, None, first]
    archived = [each["reply_to"] for each in chat.archived() if each["user_id"] == "user-ben"]
    assert sorted(archived, key=str) == sorted([first, None, None], key=str)


def test_a_ticket_is_good_for_half_a_minute(chat: ChatBackend) -> None:
    ticket = chat.ticket("ada")
    cache = cache_client(chat.cache_url)
    [key] = [key for key in cache.scan_iter(match="ticket:*", target_nodes="all") if ticket in key]
    assert 0 < cache.pttl(key) <= 30_000
    cache.pexpire(key, 1)
    while cache.exists(key):
        pass
    assert chat.connect(ticket)[0] == 401


def test_a_socket_speaks_as_who_had_the_ticket_whatever_the_query_says(chat: ChatBackend) -> None:
    event = socket_event("connect", "forged=")
    event["headers"]["Origin"] = "http://127.0.0.1:8080"
    event["queryStringParameters"] = {"ticket": chat.ticket("ada"), "user_id": chat.owner_id, "username": "owner"}
    assert chat.handle(event)["statusCode"] == 200
    assert chat.join("forged=")["you"] == {"user_id": "user-ada", "username": "ada", "role": "viewer"}


@pytest.mark.parametrize("filler", ["x", "\U0001f30a"])
def test_a_frame_above_32_kilobytes_is_refused_and_one_of_just_as_many_is_not(chat: ChatBackend, filler: str) -> None:
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    chat.join(ada)
    chat.join(ben)
    frame = {"action": "send", "stream_id": chat.stream_id, "text": "hi", "nonce": "n", "pad": ""}

    def padded(size: int) -> str:
        room = size - len(msgspec.json.encode(frame))
        pad = filler * (room // len(filler.encode()))
        pad += "." * (room - len(pad.encode()))
        return msgspec.json.encode({**frame, "pad": pad}).decode()

    largest, too_large = padded(FRAME_LIMIT_BYTES), padded(FRAME_LIMIT_BYTES + 1)
    assert len(largest.encode()) == FRAME_LIMIT_BYTES
    refused = chat.say(ada, too_large)
    assert refused is not None
    assert (refused["type"], refused["code"]) == ("error", "bad_frame")
    chat.deliver()
    assert chat.endpoint.events(ben) == []
    accepted = chat.say(ada, largest)
    assert accepted is not None
    assert accepted["type"] == "ack"


def test_binary_frames_unknown_actions_and_nonsense_count_alike_and_the_tenth_closes(chat: ChatBackend) -> None:
    mallory = chat.signed_in("mallory")
    chat.join(mallory)
    wrong = ["", "null", '{"action":"dance"}', '{"action":"send"}', "[" * 5000, "\x00", "x" * (FRAME_LIMIT_BYTES + 1)]
    for body in wrong:
        answer = chat.say(mallory, body)
        assert answer is not None
        assert answer["type"] == "error"
    for _ in range(2):
        binary = {**socket_event("default", mallory, body="AAAA"), "isBase64Encoded": True}
        assert msgspec.json.decode(chat.handle(binary)["body"])["code"] == "bad_frame"
    assert chat.endpoint.closed == []
    assert chat.say(mallory, "tenth") is None
    assert chat.endpoint.closed == [mallory]
    chat.disconnect(mallory)
    assert list(chat.connections.members(chat.stream_id)) == []

"""Chat over HTTP: tickets that work once, and history from the room and the archive together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from headwater.adapters.chat_acceptance import ChatAcceptance
from headwater.adapters.tables import chat_messages
from headwater.domain.chat import Chatter, Room, RoomRole
from headwater.domain.ids import MessageId, StreamId, UserId, new_id
from headwater.domain.server_frames import StreamStatusEvent, message_event
from headwater.errors import Unauthenticated
from tests.redis_server import RedisServer
from tests.rest_api import Person, RestApi


def archive(api: RestApi, stream: dict[str, Any], author: Person, seq: int, text: str) -> None:
    with api.services.database.begin() as connection:
        connection.execute(
            chat_messages.insert().values(
                message_id=new_id(),
                stream_id=stream["id"],
                seq=seq,
                user_id=author.user["id"],
                username=author.user["username"],
                text=text,
                created_at=datetime(2026, 11, 22, 10, 30, 0, 250_000, UTC),
            )
        )


def say(api: RestApi, stream: dict[str, Any], author: Person, text: str) -> int:
    chatter = Chatter(UserId(author.user["id"]), author.user["username"])
    message = message_event(MessageId(new_id()), chatter, RoomRole.VIEWER, text, (), None, 1_800_000_000_000)
    acceptance = ChatAcceptance(api.services.settings.cache_url)
    room = Room(chatter.user_id)  # so that nobody need be asked whether the author may speak
    accepted = acceptance.accept(StreamId(stream["id"]), room, chatter, new_id(), message)
    assert accepted is not None and accepted.seq is not None
    return accepted.seq


def history(api: RestApi, stream: dict[str, Any], **parameters: Any) -> list[str]:
    answer = api.anonymous.get(f"/v1/streams/{stream['id']}/chat/messages", **parameters)
    assert answer.status == 200, answer.text
    return [item["text"] for item in answer.json["items"]]


def test_a_ticket_opens_one_socket_for_its_user(api: RestApi) -> None:
    person = api.register()
    answer = person.api.post("/v1/chat/tickets")
    assert (answer.status, answer.json["expires_in"]) == (200, 30)
    assert answer.headers["cache-control"] == "no-store"
    chatter = api.services.tickets.redeem(answer.json["ticket"]).chatter
    assert (chatter.user_id, chatter.username) == (person.user["id"], person.user["username"])
    with pytest.raises(Unauthenticated):
        api.services.tickets.redeem(answer.json["ticket"])


def test_history_joins_the_archive_and_what_is_not_archived_yet(api: RestApi) -> None:
    owner = api.register()
    stream = owner.stream()
    newest = say(api, stream, owner, "both")
    archive(api, stream, owner, newest, "both")
    say(api, stream, owner, "not archived yet")
    archive(api, stream, owner, newest - 1, "forgotten by the room")
    assert history(api, stream) == ["not archived yet", "both", "forgotten by the room"]
    assert history(api, stream, before=newest) == ["forgotten by the room"]


def test_messages_are_found_behind_any_number_of_other_events(api: RestApi) -> None:
    """And those that the archive does not have yet are found nowhere else."""
    owner = api.newcomer()
    stream = owner.stream()
    said = [say(api, stream, owner, f"{n}") for n in range(3)]
    for _ in range(250):
        api.services.rooms.append(StreamId(stream["id"]), StreamStatusEvent(status="live", at="2027-01-15T08:00:00Z"))
    assert history(api, stream, limit=2) == ["2", "1"]
    assert history(api, stream, before=said[1]) == ["0"]


def test_history_comes_in_pages_newest_first(api: RestApi, redis: RedisServer) -> None:
    owner, guest = api.register(), api.register()
    stream = owner.stream()
    for seq in range(1, 6):
        archive(api, stream, guest, seq, f"message {seq}")
    path = f"/v1/streams/{stream['id']}/chat/messages"
    first = api.anonymous.get(path, limit=2).json
    assert ([item["seq"] for item in first["items"]], first["next_cursor"]) == ([5, 4], "4")
    assert history(api, stream, limit=2, cursor="4") == ["message 3", "message 2"]
    assert history(api, stream, limit=2, before=2) == ["message 1"]
    for bad in ("x", "-1", "1e3", "9" * 19):
        assert api.anonymous.get(path, before=bad).status == 422


def test_an_archived_message_has_the_shape_of_a_message_event(api: RestApi) -> None:
    owner, guest = api.register(), api.register()
    stream = owner.stream()
    archive(api, stream, owner, 1, "Welcome 🌊")
    archive(api, stream, guest, 2, "<b>hi</b>")
    items = api.anonymous.get(f"/v1/streams/{stream['id']}/chat/messages").json["items"]
    assert [item["user"]["role"] for item in items] == ["viewer", "owner"]
    assert items[1] == {
        "type": "message",
        "seq": 1,
        "id": items[1]["id"],
        "user": {"id": owner.user["id"], "username": owner.user["username"], "role": "owner", "badges": ["owner"]},
        "text": "Welcome 🌊",
        "emotes": [],
        "reply_to": None,
        "created_at": "2026-11-22T10:30:00.250000Z",
    }


def test_the_archive_answers_while_the_cache_is_away(api: RestApi, redis: RedisServer) -> None:
    owner = api.register()
    stream = owner.stream()
    archive(api, stream, owner, 1, "kept")
    redis.stop()
    try:
        assert history(api, stream) == ["kept"]
    finally:
        redis.start()

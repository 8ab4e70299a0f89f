"""What is hidden of a room's log is not told, and what was restored is."""

from __future__ import annotations

import msgspec

from headwater.adapters.chat_moderations import Hidden, without_hidden
from headwater.domain.chat import Chatter, RoomEvent, RoomRole
from headwater.domain.ids import MessageId, UserId
from headwater.domain.server_frames import MessageEvent, MessageRestoredEvent, Person, UserBannedEvent, message_event


def said(message_id: str, user: str, seq: int) -> MessageEvent:
    whole = message_event(MessageId(message_id), Chatter(UserId(user), user), RoomRole.VIEWER, "words", (), None, 0)
    return msgspec.structs.replace(whole, seq=seq)


def event(seq: int, body: msgspec.Struct) -> RoomEvent:
    return RoomEvent(seq, msgspec.json.encode(body).decode())


LOG = (
    event(10, said("a", "ada", 10)),
    event(11, said("b", "bob", 11)),
    event(12, UserBannedEvent(seq=12, user=Person(id="ada", username="ada"))),
    event(13, MessageRestoredEvent(seq=13, message=said("a", "ada", 10))),
    event(14, said("c", "ada", 14)),
)


def shown(marks: dict[str, str]) -> list[str]:
    found = without_hidden(LOG, Hidden(marks))
    assert [each.seq for each in found] == [each.seq for each in LOG]
    told = [msgspec.json.decode(each.body) for each in found]
    assert [each["seq"] for each in told] == [each.seq for each in LOG]
    return [f"-{each['message_id']}" if each["type"] == "message_deleted" else each["type"] for each in told]


def test_marks_and_what_they_hide() -> None:
    everything = ["message", "message", "user_banned", "message_restored", "message"]
    assert shown({}) == everything
    assert shown({"a": "d1"}) == ["-a", "message", "user_banned", "-a", "message"]
    assert shown({"a": "r13"}) == everything
    assert shown({"user:ada": "10 12"}) == ["-a", "message", "user_banned", "-a", "message"]
    assert shown({"user:ada": "10 12", "a": "r13"}) == everything
    assert shown({"user:ada": "10 15", "a": "r13"}) == ["-a", "message", "user_banned", "-a", "-c"]
    assert shown({"user:ada": "11 15"}) == ["message", "message", "user_banned", "message_restored", "-c"]
    assert shown({"@cleared": "5 11"}) == ["-a", "-b", "user_banned", "-a", "message"]
    assert shown({"@cleared": "5 11", "b": "r12"}) == ["-a", "message", "user_banned", "-a", "message"]
    assert shown({"user:eve": "1 99"}) == everything

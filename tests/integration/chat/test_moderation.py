"""What moderators do holds at once, on every device, and although the cache may lose everything."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.adapters.chat_moderations import ChatModerations
from headwater.adapters.chat_standings import ChatStandings
from headwater.broadcasts import unix_ms
from headwater.domain.chat import Chatter, Room
from headwater.domain.ids import ConnectionId, StreamId, UserId, new_id
from headwater.domain.moderation import Sanction
from tests.chat_backend import ChatBackend
from tests.chat_room import attempt, code_of, command, joined, logged, seen, texts
from tests.waiting import eventually


def test_a_ban_holds_on_every_device_at_once_and_survives_the_cache(chat: ChatBackend, owner: str) -> None:
    first, second = joined(chat, "troll"), joined(chat, "troll")
    chat.send(first, "hello")
    command(chat, owner, "ban", username="TROLL", reason="Spam")
    for socket in (first, second):
        assert code_of(attempt(chat, socket)) == "banned"
    chat.flush()
    chat.forget()
    third = joined(chat, "troll")
    for socket in (first, second, third):
        assert code_of(attempt(chat, socket)) == "banned"
    assert chat.join(third)["you"]["username"] == "troll"  # who is banned may read
    command(chat, owner, "unban", username="troll")
    for socket in (first, third):
        chat.send(socket, "thank you")


def test_a_ban_is_of_one_room(chat: ChatBackend, owner: str) -> None:
    troll = joined(chat, "troll")
    command(chat, owner, "ban", username="troll")
    chat.stream_id = StreamId(new_id())
    chat.create_stream(chat.stream_id, chat.owner_id)
    chat.join(troll)
    chat.send(troll, "hello")


def test_a_timeout_says_how_long_and_ends_by_itself(chat: ChatBackend, owner: str) -> None:
    troll = joined(chat, "troll")
    command(chat, owner, "timeout", username="troll", seconds=600)
    refusal = attempt(chat, troll)
    assert (refusal["code"], 590 < refusal["retry_after"] <= 600) == ("timed_out", True)
    command(chat, owner, "timeout", username="troll", seconds=1)
    eventually(lambda: code_of(attempt(chat, troll)) == "ack")
    command(chat, owner, "ban", username="troll")
    assert code_of(chat.frame(owner, "timeout", username="troll", seconds=5)) == "conflict"
    assert code_of(attempt(chat, troll)) == "banned"


@pytest.mark.parametrize("seconds", [0, -1, 14 * 24 * 3600 + 1, 1.5, "60", True, None])
def test_a_timeout_lasts_from_a_second_to_a_fortnight(chat: ChatBackend, owner: str, seconds: object) -> None:
    joined(chat, "troll")
    body = {"action": "timeout", "stream_id": chat.stream_id, "username": "troll", "seconds": seconds}
    answer = chat.say(owner, msgspec.json.encode(body).decode())
    assert answer is not None and answer["code"] == "bad_frame"


def test_what_was_read_before_a_ban_is_not_remembered_after_it(
    chat: ChatBackend, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks in DynamoDB, and stores it in the cache only after somebody else's ban has removed what was there."""
    banned: list[bool] = []
    read = ChatStandings._read

    def slowly(self: ChatStandings, stream_id: StreamId, owner_id: UserId, user_id: UserId) -> tuple[str, str]:
        found = read(self, stream_id, owner_id, user_id)
        if user_id == "user-troll" and not banned:
            banned.append(True)
            command(chat, owner, "ban", username="troll")
        return found

    troll = joined(chat, "troll")
    monkeypatch.setattr(ChatStandings, "_read", slowly)
    assert code_of(attempt(chat, troll)) == "banned"
    assert banned
    assert chat.standings.of(chat.stream_id, chat.owner_id, UserId("user-troll")).banned


def test_a_ban_between_the_look_and_the_acceptance_still_holds(
    chat: ChatBackend, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    banned: list[bool] = []
    of = ChatStandings.of

    def quickly(self: ChatStandings, stream_id: StreamId, owner_id: UserId, user_id: UserId) -> Any:
        standing = of(self, stream_id, owner_id, user_id)
        if user_id == "user-troll" and not banned:
            banned.append(True)
            command(chat, owner, "ban", username="troll")
        return standing

    troll = joined(chat, "troll")
    monkeypatch.setattr(ChatStandings, "of", quickly)
    assert code_of(attempt(chat, troll, "too late")) == "banned"
    assert "too late" not in texts(chat)


def test_what_was_accepted_is_acknowledged_again_although_its_author_is_banned_by_now(
    chat: ChatBackend, owner: str
) -> None:
    troll = joined(chat, "troll")
    first = attempt(chat, troll, nonce="n1")
    command(chat, owner, "ban", username="troll")
    again = attempt(chat, troll, nonce="n1")
    assert (again["type"], again["seq"]) == ("ack", first["seq"])


def test_a_ban_hides_what_was_said_and_nothing_else_and_leaves_no_hole(chat: ChatBackend, owner: str) -> None:
    troll, friend = joined(chat, "troll"), joined(chat, "friend")
    before = chat.newest_seq()
    first = chat.send(troll, "bad")
    chat.send(friend, "good")
    chat.send(troll, "worse")
    command(chat, owner, "ban", username="troll")
    assert texts(chat) == ["good"]
    missed = seen(chat, after_seq=before)
    assert [each["seq"] for each in missed] == list(range(before + 1, before + 5))
    assert [each["type"] for each in missed] == ["message_deleted", "message", "message_deleted", "user_banned"]
    assert missed[0]["message_id"] == first["id"]
    assert missed[3]["user"] == {"id": "user-troll", "username": "troll"}
    command(chat, owner, "unban", username="troll")
    chat.send(troll, "sorry")
    assert texts(chat) == ["good", "sorry"]


def test_a_deleted_message_is_gone_and_can_be_restored(chat: ChatBackend, owner: str) -> None:
    friend = joined(chat, "friend")
    message_id, other = chat.send(friend, "oops")["id"], chat.send(friend, "fine")["id"]
    command(chat, owner, "delete", message_id=message_id, reason="Spoiler")
    assert texts(chat) == ["fine"]
    command(chat, owner, "restore", message_id=message_id)
    assert texts(chat) == ["oops", "fine"]
    restored = seen(chat)[-1]
    assert (restored["type"], restored["message"]["text"], restored["message"]["id"]) == (
        "message_restored", "oops", message_id,
    )  # fmt: skip
    deleted, undone = logged(chat)
    assert (deleted["action"], deleted["user_id"], deleted["reason"]) == ("delete", "user-friend", "Spoiler")
    assert (undone["action"], undone["undoes"]) == ("restore", deleted["entry_id"])
    command(chat, owner, "delete", message_id=message_id)
    assert "oops" not in str(seen(chat)), "nor in what told of its restoration"
    command(chat, owner, "clear")
    assert texts(chat) == []
    command(chat, owner, "restore", message_id=other)
    assert texts(chat) == ["fine"]
    assert code_of(chat.frame(owner, "restore", message_id=new_id())) == "not_found"


def test_what_the_room_had_forgotten_when_it_was_cleared_is_not_hidden(chat: ChatBackend, owner: str) -> None:
    """The archive does not hide it either, and must not seem to do so for as long as the cache remembers the clearing."""
    old = chat.newest_seq()
    friend = joined(chat, "friend")
    chat.flush()
    for _ in range(2):
        said = [chat.send(friend, text)["seq"] for text in ("one", "two")]
        command(chat, owner, "clear")
        command(chat, owner, "timeout", username="friend", seconds=1)
        eventually(lambda: code_of(attempt(chat, friend, "back")) == "ack")
        hidden = chat.rooms.hidden(chat.stream_id)
        assert all(hidden.hides(new_id(), user, seq) for seq in said for user in ("user-friend", "somebody"))
        assert not any(hidden.hides(new_id(), user, old) for user in ("user-friend", "somebody"))


def test_a_command_that_comes_again_is_done_once(chat: ChatBackend, owner: str) -> None:
    joined(chat, "troll")
    answers = [command(chat, owner, "ban", username="troll", nonce="n1") for _ in range(3)]
    assert len({each["seq"] for each in answers}) == 1
    assert len({each["entry_id"] for each in logged(chat)}) == 1
    sanction = chat.standings.sanction(chat.stream_id, UserId("user-troll"))
    assert sanction is not None
    undone = [command(chat, owner, "unban", username="troll", nonce="n2") for _ in range(2)]
    assert undone[0]["seq"] == undone[1]["seq"] > answers[0]["seq"]
    assert [each["undoes"] for each in logged(chat)] == [sanction.entry_id] * 2


def test_people_are_found_by_what_they_said_by_their_ban_and_by_being_there(chat: ChatBackend, owner: str) -> None:
    silent = joined(chat, "Silent")
    command(chat, owner, "ban", username="silent")
    chat.disconnect(silent)
    chat.flush()
    command(chat, owner, "unban", username="sILENT")
    assert code_of(chat.frame(owner, "ban", username="silent")) == "not_found"
    other = joined(chat, "Silent", "user-other")  # the name has changed hands
    chat.send(other, "hello")
    joined(chat, "Silent", "user-third")
    command(chat, owner, "ban", username="Silent", user_id="user-third")
    chat.send(other, "still here")
    assert code_of(chat.frame(owner, "ban", username="Silent", user_id="user-nobody")) == "not_found"


def test_an_old_ban_makes_nobody_fair_game_who_moderates_the_site_by_now(chat: ChatBackend, owner: str) -> None:
    chat.stream_id = StreamId(new_id())
    chat.create_stream(chat.stream_id, chat.owner_id, moderators=("user-mia",))
    chat.join(owner)
    mia, before = joined(chat, "mia"), joined(chat, "sam")
    command(chat, owner, "ban", username="sam")
    chat.disconnect(before)
    for named in ({}, {"user_id": "user-sam"}):
        for action, fields in (("ban", {}), ("timeout", {"seconds": 60})):
            answer = chat.frame(mia, action, username="sam", **fields, **named)
            assert code_of(answer) == "not_found", "nobody knows here what they are by now"
    sam = joined(chat, "sam", roles=("moderator",))
    assert code_of(chat.frame(mia, "ban", username="sam")) == "forbidden"
    said = chat.send(sam, "I look after this site")["id"]
    chat.disconnect(sam)
    assert code_of(chat.frame(mia, "ban", username="sam")) == "forbidden"
    assert code_of(chat.frame(mia, "delete", message_id=said)) == "forbidden"
    assert texts(chat) == ["I look after this site"]
    command(chat, mia, "unban", username="sam")
    command(chat, owner, "delete", message_id=said)


def test_a_banned_moderator_neither_speaks_nor_moderates(chat: ChatBackend, owner: str) -> None:
    chat.stream_id = StreamId(new_id())
    chat.create_stream(chat.stream_id, chat.owner_id, moderators=("user-mia",))
    chat.join(owner)
    mia, _ = joined(chat, "mia"), joined(chat, "friend")
    command(chat, mia, "timeout", username="friend", seconds=60)
    command(chat, owner, "ban", username="mia")
    assert code_of(attempt(chat, mia)) == "banned"
    assert code_of(chat.frame(mia, "unban", username="friend")) == "forbidden"


def test_a_timeout_that_dynamodb_keeps_longer_than_it_lasts_does_not_bind(chat: ChatBackend, owner: str) -> None:
    troll, now = joined(chat, "troll"), unix_ms()
    over = Sanction(
        user_id=UserId("user-troll"), username="troll", entry_id=new_id(), by=chat.owner_id, at_ms=now, until_ms=now - 1
    )
    chat.standings.put(chat.stream_id, over)
    chat.send(troll, "hello")


def test_moderators_of_a_private_stream_are_no_more_than_others_there(chat: ChatBackend) -> None:
    chat.stream_id = StreamId(new_id())
    chat.create_stream(chat.stream_id, chat.owner_id, private=True, moderators=("user-mia",))
    mia = chat.signed_in("mia")
    assert code_of(chat.frame(mia, "join")) == "not_found"
    assert code_of(chat.frame(mia, "clear")) == "not_joined"
    assert not list(chat.connections.members(chat.stream_id))


def test_the_cache_knows_no_name_of_who_never_spoke(chat: ChatBackend) -> None:
    moderations = ChatModerations(chat.cache_url)
    assert moderations.speaker(chat.stream_id, "nobody") is None
    ann = joined(chat, "Ann")
    chat.send(ann, "hello")
    assert moderations.speaker(chat.stream_id, "ANN") == ("user-ann".replace("ann", "Ann"), "Ann", False)
    chatter = chat.connections.chatter(ConnectionId(ann))
    assert chatter == Chatter(UserId("user-Ann"), "Ann", ("viewer",))
    assert Room(chat.owner_id).role_of(chatter).value == "viewer"

"""What moderators do holds at once, on every device, and although the cache may lose everything."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from headwater.adapters.chat_acceptance import ChatAcceptance, MessageRate
from headwater.adapters.chat_moderations import ChatModerations
from headwater.adapters.chat_standings import ChatStandings
from headwater.adapters.held_messages import HeldMessage, HeldMessages
from headwater.adapters.queues import MessageQueue
from headwater.adapters.room_items import followers_of, room_items
from headwater.broadcasts import unix_ms
from headwater.domain.chat import Chatter, Room, RoomRole
from headwater.domain.ids import ConnectionId, MessageId, StreamId, UserId, new_id
from headwater.domain.moderation import Sanction
from headwater.domain.room_settings import BlockedTerm, Review, RoomRules, RoomSettings, TermAction
from headwater.domain.server_frames import message_event
from headwater.errors import DependencyUnavailable, RateLimited
from tests.aws import ROOM_TABLE
from tests.chat_backend import ChatBackend

PATIENCE_SECONDS = 30


@pytest.fixture
def owner(chat: ChatBackend) -> str:
    return joined(chat, "olga", chat.owner_id)


def joined(chat: ChatBackend, name: str, user_id: str | None = None, **fields: Any) -> str:
    socket = chat.signed_in(name, user_id, **fields)
    chat.join(socket)
    return socket


def attempt(chat: ChatBackend, socket: str, text: str = "hello", nonce: str | None = None) -> dict[str, Any]:
    return chat.frame(socket, "send", text=text, nonce=nonce or new_id())


def code_of(answer: dict[str, Any]) -> str:
    return str(answer.get("code", answer["type"]))


def command(chat: ChatBackend, socket: str, action: str, **fields: Any) -> dict[str, Any]:
    answer = chat.frame(socket, action, **fields)
    assert answer["type"] == "ack", answer
    return answer


def texts(chat: ChatBackend) -> list[str]:
    """What somebody who joins now is shown."""
    return [each["text"] for each in seen(chat) if each["type"] == "message"]


def seen(chat: ChatBackend, **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chat.join(chat.connect()[1], **fields)["messages"]
    return found


def logged(chat: ChatBackend) -> list[dict[str, Any]]:
    """Entries of the moderation log on their way."""
    return [each for each in chat.archived() if "action" in each]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


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
    until(lambda: code_of(attempt(chat, troll)) == "ack")
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
        until(lambda: code_of(attempt(chat, friend, "back")) == "ack")
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


def test_followers_only_counts_from_when_somebody_began_to_follow(chat: ChatBackend, owner: str) -> None:
    fan, hour_ms = joined(chat, "fan"), 3_600_000
    rules = RoomRules(settings=RoomSettings(followers_only=True, follow_age_minutes=120))
    chat.set_rules(chat.stream_id, rules)
    assert code_of(attempt(chat, fan)) == "followers_only"
    for since_ms, code in ((unix_ms() - hour_ms, "followers_only"), (unix_ms() - 3 * hour_ms, "ack")):
        body = msgspec.json.encode({"since_ms": since_ms}).decode()
        room_items(ROOM_TABLE)(followers_of(chat.owner_id), "user-fan", body=body).save()
        chat.flush()
        assert code_of(attempt(chat, fan)) == code
    chat.set_rules(chat.stream_id, RoomRules(settings=RoomSettings(account_age_minutes=60)))
    young = joined(chat, "young", registered_at=unix_ms() - 1_800_000)
    refusal = attempt(chat, young)
    assert (refusal["code"], 1_700 < refusal["retry_after"] <= 1_800) == ("account_too_young", True)


def test_slow_mode_counts_for_each_and_is_told(chat: ChatBackend, owner: str) -> None:
    ann, bob = joined(chat, "ann"), joined(chat, "bob")
    command(chat, owner, "slow", seconds=300)
    chat.forget()
    told = seen(chat)[-1]
    assert (told["type"], told["settings"]["slow_seconds"]) == ("settings", 300)
    assert chat.join(ann)["settings"]["slow_seconds"] == 300
    chat.send(ann, "first")
    refusal = attempt(chat, ann, "second")
    assert (refusal["code"], 290 < refusal["retry_after"] <= 300) == ("slow_mode", True)
    chat.send(bob, "mine")
    command(chat, owner, "slow", seconds=0)
    chat.forget()
    chat.send(ann, "second")
    assert [each["details"] for each in logged(chat)] == [{"slow_seconds": [0, 300]}, {"slow_seconds": [300, 0]}]


def test_what_is_refused_does_not_count_as_said(chat: ChatBackend, owner: str) -> None:
    ann = joined(chat, "ann")
    chat.set_rules(
        chat.stream_id, RoomRules(settings=RoomSettings(unique=True), blocked_terms=(BlockedTerm(term="no"),))
    )
    assert code_of(attempt(chat, ann, "no")) == "blocked_terms"
    assert code_of(attempt(chat, ann, "yes")) == "ack"
    assert code_of(attempt(chat, ann, "YES!")) == "not_unique"
    assert texts(chat) == ["yes"]


def test_a_message_is_held_until_somebody_approves_it_and_is_said_once(chat: ChatBackend, owner: str) -> None:
    chat.set_rules(chat.stream_id, RoomRules(review=Review.ALL))
    site, ann = joined(chat, "site", roles=("moderator",)), joined(chat, "ann")
    ack = attempt(chat, ann, "may I?", nonce="n1")
    assert (ack["held"], "seq" in ack) == (True, False)
    assert attempt(chat, ann, "may I?", nonce="n1")["id"] == ack["id"]
    assert (texts(chat), chat.held.waiting(chat.stream_id)) == ([], 1)
    said = [command(chat, socket, "approve", message_id=ack["id"]) for socket in (owner, site, owner)]
    assert len({each["seq"] for each in said}) == 1
    assert (texts(chat), chat.held.waiting(chat.stream_id)) == (["may I?"], 0)
    assert attempt(chat, ann, "may I?", nonce="n1")["id"] == ack["id"]
    assert chat.held.waiting(chat.stream_id) == 0, "what was decided does not wait again"
    archived = chat.archived()
    entry, *again = [each for each in archived if "action" in each]
    assert (entry["action"], entry["user_id"], entry["message_id"]) == ("approve", "user-ann", ack["id"])
    assert (entry["actor_id"], again) == (chat.owner_id, [entry] * 2), "the log takes it once"
    assert [(each["message_id"], each["seq"]) for each in archived if "text" in each] == [(ack["id"], said[0]["seq"])]
    assert code_of(chat.frame(owner, "reject", message_id=ack["id"])) == "conflict"


@pytest.mark.parametrize(("second", "logged_as"), [("approve", ["approve"]), ("reject", ["reject", "approve"])])
def test_two_who_decide_at_once_are_logged_as_if_one_after_the_other(
    chat: ChatBackend, owner: str, monkeypatch: pytest.MonkeyPatch, second: str, logged_as: list[str]
) -> None:
    chat.set_rules(chat.stream_id, RoomRules(review=Review.ALL))
    site, ann = joined(chat, "site", roles=("moderator",)), joined(chat, "ann")
    ack = attempt(chat, ann, "may I?")
    between = [lambda: command(chat, site, second, message_id=ack["id"])]
    decide = HeldMessages.decide

    def late(self: HeldMessages, stream_id: StreamId, held: HeldMessage, decided: HeldMessage) -> bool:
        if between:
            between.pop()()  # both have read that it waits, and the other one writes first
        return decide(self, stream_id, held, decided)

    monkeypatch.setattr(HeldMessages, "decide", late)
    command(chat, owner, "approve", message_id=ack["id"])
    assert texts(chat) == ["may I?"]
    entries = {each["entry_id"]: each for each in logged(chat)}
    assert [each["action"] for each in entries.values()] == logged_as
    first, *more = entries.values()
    assert first["actor_id"] == "user-site"
    assert [(each["actor_id"], each["undoes"]) for each in more] == [(chat.owner_id, first["entry_id"])] * len(more)


def test_a_decision_that_was_cut_off_before_its_log_is_logged_when_it_is_repeated(
    chat: ChatBackend, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat.set_rules(chat.stream_id, RoomRules(review=Review.ALL))
    ack = attempt(chat, joined(chat, "ann"), "may I?")

    def fail(*_: object) -> None:
        raise DependencyUnavailable

    with monkeypatch.context() as failing:
        failing.setattr(MessageQueue, "send", fail)
        assert code_of(chat.frame(owner, "reject", message_id=ack["id"])) == "dependency_unavailable"
    command(chat, owner, "reject", message_id=ack["id"])
    [entry] = logged(chat)
    assert (entry["action"], entry["actor_id"], entry["message_id"]) == ("reject", chat.owner_id, ack["id"])


def test_a_rejected_message_can_be_approved_after_all(chat: ChatBackend, owner: str) -> None:
    held = (BlockedTerm(term="maybe", action=TermAction.HOLD),)
    chat.set_rules(chat.stream_id, RoomRules(blocked_terms=held))
    ann = joined(chat, "ann")
    ack = attempt(chat, ann, "m4ybe")
    command(chat, owner, "reject", message_id=ack["id"])
    assert texts(chat) == []
    command(chat, owner, "approve", message_id=ack["id"])
    assert texts(chat) == ["m4ybe"]
    rejected, approved = logged(chat)
    assert (rejected["action"], approved["action"]) == ("reject", "approve")
    assert approved["undoes"] == rejected["entry_id"]
    assert code_of(chat.frame(owner, "approve", message_id=new_id())) == "not_found"


def test_one_who_floods_takes_nothing_from_five_hundred_others(chat: ChatBackend) -> None:
    acceptance = ChatAcceptance(chat.cache_url, MessageRate(3, 1), MessageRate(510, 60))

    def say(name: str) -> str:
        person = Chatter(UserId(f"user-{name}"), name)
        chat.standings.of(chat.stream_id, chat.owner_id, person.user_id)
        message = message_event(MessageId(new_id()), person, RoomRole.VIEWER, "hello", (), None, unix_ms())
        try:
            accepted = acceptance.accept(chat.stream_id, Room(chat.owner_id), person, new_id(), message)
        except RateLimited as refusal:
            return refusal.code
        return "accepted" if accepted and accepted.seq else "not accepted"

    answers = [(say("flooder"), say(f"other{number}")) for number in range(500)]
    assert [mine for mine, _ in answers] == ["accepted"] * 3 + ["rate_limited"] * 497
    assert {others for _, others in answers} == {"accepted"}


def test_a_room_takes_only_so_much_but_from_who_moderates_it_everything(
    chat: ChatBackend, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_ROOM_MESSAGE_BURST", "5")
    monkeypatch.setenv("CHAT_ROOM_MESSAGES_PER_SECOND", "1")
    chat.forget()
    sockets = [joined(chat, f"user{number}") for number in range(12)]
    codes = [code_of(attempt(chat, socket)) for socket in sockets]
    assert codes[:5] == ["ack"] * 5
    assert "rate_limited" in codes[5:]
    chat.send(owner, "calm down")


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

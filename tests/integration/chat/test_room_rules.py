"""How a room is set binds each who speaks there, and one who floods it costs nobody else a word."""

from __future__ import annotations

import msgspec
import pytest

from headwater.adapters.chat_acceptance import ChatAcceptance, MessageRate
from headwater.adapters.room_items import followers_of, room_items
from headwater.broadcasts import unix_ms
from headwater.domain.chat import Chatter, Room, RoomRole
from headwater.domain.ids import MessageId, UserId, new_id
from headwater.domain.room_settings import BlockedTerm, RoomRules, RoomSettings
from headwater.domain.server_frames import message_event
from headwater.errors import RateLimited
from tests.aws import ROOM_TABLE
from tests.chat_backend import ChatBackend
from tests.chat_room import attempt, code_of, command, joined, logged, seen, texts


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

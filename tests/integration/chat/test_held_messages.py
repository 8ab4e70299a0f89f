"""A message that waits for a moderator is said once or not at all, whoever decides and however often."""

from __future__ import annotations

import pytest

from headwater.adapters.held_messages import HeldMessage, HeldMessages
from headwater.adapters.queues import MessageQueue
from headwater.domain.ids import StreamId, new_id
from headwater.domain.room_settings import BlockedTerm, Review, RoomRules, TermAction
from headwater.errors import DependencyUnavailable
from tests.chat_backend import ChatBackend
from tests.chat_room import attempt, code_of, command, joined, logged, texts


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

"""Everybody against every command and every setting of a room, in one table each."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.adapters.held_messages import HeldMessage
from headwater.broadcasts import unix_ms
from headwater.contracts import ChatMessageArchived
from headwater.domain.chat import Chatter, RoomRole
from headwater.domain.ids import MessageId, StreamId, UserId, new_id
from headwater.domain.room_settings import BlockedTerm, Review, RoomRules, RoomSettings, TermAction
from headwater.domain.server_frames import message_event
from tests.chat_backend import ChatBackend

PEOPLE = ("anonymous", "user", "vip", "moderator", "owner", "site", "banned", "other_owner")
DONE = "ack"
REFUSED = "forbidden"
NOT_SIGNED_IN = "unauthenticated"
COMMANDED = dict.fromkeys(PEOPLE, REFUSED) | {
    "anonymous": NOT_SIGNED_IN, "moderator": DONE, "owner": DONE, "site": DONE,
}  # fmt: skip

# What each is answered to the command, sent about somebody who only watches, or about what they said.
COMMANDS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "delete": ({"message_id": "said"}, COMMANDED),
    "restore": ({"message_id": "said"}, COMMANDED),
    "timeout": ({"username": "target", "seconds": 60, "reason": "Spam"}, COMMANDED),
    "ban": ({"username": "target", "reason": "Spam"}, COMMANDED),
    "unban": ({"username": "target"}, COMMANDED),
    "clear": ({}, COMMANDED),
    "slow": ({"seconds": 30}, COMMANDED),
    "approve": ({"message_id": "held"}, COMMANDED),
    "reject": ({"message_id": "held"}, COMMANDED),
}

FREE = {
    "anonymous": NOT_SIGNED_IN, "user": DONE, "vip": DONE, "moderator": DONE, "owner": DONE, "site": DONE, "banned": "banned",
    "other_owner": DONE,
}  # fmt: skip


def bound(code: str, *, vip: str = DONE) -> dict[str, str]:
    return FREE | {"user": code, "other_owner": code, "vip": vip}


# What each is answered who says `text`, and has just said something else, in a room that is set so.
SETTINGS: dict[str, tuple[RoomRules, str, dict[str, str]]] = {
    "nothing": (RoomRules(), "hello", FREE),
    "slow": (RoomRules(settings=RoomSettings(slow_seconds=60)), "hello", bound("slow_mode")),
    "followers-only": (RoomRules(settings=RoomSettings(followers_only=True)), "hello", bound("followers_only")),
    "account age": (RoomRules(settings=RoomSettings(account_age_minutes=60)), "hello", bound("account_too_young")),
    "emote-only": (
        RoomRules(settings=RoomSettings(emote_only=True)), "hello", bound("emote_only", vip="emote_only")
    ),
    "emote-only, an emote": (RoomRules(settings=RoomSettings(emote_only=True)), "hwWave hwWave", FREE),
    "unique": (RoomRules(settings=RoomSettings(unique=True)), "said before", bound("not_unique", vip="not_unique")),
    "blocked": (
        RoomRules(blocked_terms=(BlockedTerm(term="badword"),)), "a b4dw0rd", bound("blocked_terms", vip="blocked_terms")
    ),
    "blocked, to be held": (
        RoomRules(blocked_terms=(BlockedTerm(term="badword", action=TermAction.HOLD),)), "badword", bound("held", vip="held")
    ),
    "review of links": (RoomRules(review=Review.LINKS), "see https://example.org/x", bound("held")),
    "review of links, none": (RoomRules(review=Review.LINKS), "see nothing", FREE),
    "review of all": (RoomRules(review=Review.ALL), "hello", bound("held", vip="held")),
}  # fmt: skip


class Crowd:
    """One of everybody in a room of its own; and `target`, who has said something and waits with something else."""

    def __init__(self, chat: ChatBackend, rules: RoomRules | None = None) -> None:
        self.chat = chat
        chat.stream_id = StreamId(new_id())
        chat.create_stream(
            chat.stream_id, UserId("user-owner"), moderators=("user-moderator",), vips=("user-vip",), rules=rules
        )
        chat.create_stream(StreamId(new_id()), UserId("user-other_owner"), moderators=("user-other_owner",))
        chat.forget()
        self.sockets = {name: self._socket(name) for name in (*PEOPLE, "target")}
        banned = chat.frame(self.sockets["owner"], "ban", username="banned")
        assert banned["type"] == "ack", banned

    def _socket(self, name: str) -> str:
        if name == "anonymous":
            socket = self.chat.connect()[1]
        else:
            registered_at = 0 if name == "target" else unix_ms()
            roles = ("viewer", "moderator") if name == "site" else ("viewer",)
            socket = self.chat.signed_in(name, roles=roles, registered_at=registered_at)
        self.chat.join(socket)
        return socket

    def command(self, name: str, action: str, fields: dict[str, Any]) -> str:
        return outcome(self.chat.frame(self.sockets[name], action, **fields))

    def say(self, name: str, text: str) -> str:
        return outcome(self.chat.frame(self.sockets[name], "send", text=text, nonce=new_id()))


def outcome(answer: dict[str, Any]) -> str:
    if answer["type"] == "error":
        return str(answer["code"])
    return "held" if answer.get("held") else str(answer["type"])


def a_held_message(chat: ChatBackend) -> str:
    target = Chatter(UserId("user-target"), "target")
    message = message_event(MessageId(new_id()), target, RoomRole.VIEWER, "may I?", (), None, unix_ms())
    archived = ChatMessageArchived(
        stream_id=chat.stream_id, seq=0, message_id=message.id, user_id=target.user_id, username="target", text="may I?",
        reply_to=None, created_at=unix_ms(),
    )  # fmt: skip
    chat.held.add(chat.stream_id, HeldMessage(message=message, archived=archived))
    return message.id


@pytest.mark.parametrize("action", COMMANDS)
def test_everybody_and_every_command(chat: ChatBackend, action: str) -> None:
    fields, wanted = COMMANDS[action]
    crowd = Crowd(chat)
    said = chat.send(crowd.sockets["target"], "hello")["id"]
    answered = {}
    for name in PEOPLE:
        ids = {"said": said, "held": a_held_message(chat)}
        sent = {key: ids.get(value, value) if key == "message_id" else value for key, value in fields.items()}
        before = chat.newest_seq()
        answered[name] = crowd.command(name, action, sent)
        told = chat.newest_seq() - before
        assert told == 0 or answered[name] == DONE, f"{name} was refused, and the room was told nevertheless"
    assert answered == wanted


@pytest.mark.parametrize("setting", SETTINGS)
def test_everybody_and_every_setting(chat: ChatBackend, setting: str) -> None:
    rules, text, wanted = SETTINGS[setting]
    crowd = Crowd(chat, rules)
    if rules.settings.unique:
        assert crowd.say("target", "Said before!") == DONE
    if rules.settings.slow_seconds:
        for name in PEOPLE:
            crowd.say(name, "something else")
    assert {name: crowd.say(name, text) for name in PEOPLE} == wanted


# Who may ban whom: nobody themselves, the owner or a moderator of the site; and a moderator only the owner and the site's.
BANNED_BY = {
    "moderator": {"user", "vip", "other_owner"},
    "owner": {"user", "vip", "moderator", "other_owner"},
    "site": {"user", "vip", "moderator", "other_owner"},
}


@pytest.mark.parametrize("moderator", BANNED_BY)
def test_nobody_is_banned_by_somebody_below_them(chat: ChatBackend, moderator: str) -> None:
    crowd = Crowd(chat)
    targets = ("user", "vip", "moderator", "owner", "site", "other_owner")
    wanted = {name: DONE if name in BANNED_BY[moderator] else REFUSED for name in targets}
    banned = {name: crowd.command(moderator, "ban", {"username": name}) for name in targets}
    assert banned == wanted

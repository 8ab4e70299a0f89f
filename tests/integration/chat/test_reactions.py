"""Reactions in a room: summed up, and told once a second to everybody in it."""

from __future__ import annotations

from collections import Counter

import pytest

from headwater.domain.chat import REACTIONS_PER_MINUTE
from tests.chat_backend import ChatBackend
from tests.integration.chat.test_emotes import own_emote


def told(chat: ChatBackend, connection: str) -> Counter[str]:
    """The sum of all reactions that this connection was told of."""
    counts: Counter[str] = Counter()
    for event in chat.endpoint.events(connection):
        assert (event["type"], "seq" in event) == ("reactions", False)
        counts.update(event["counts"])
    return counts


def test_reactions_are_told_to_everybody_as_sums_and_are_no_part_of_what_was_said(chat: ChatBackend) -> None:
    own_emote(chat, "otterHi")
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    _, reader = chat.connect()
    for connection in (ada, ben, reader):
        chat.join(connection)
    assert chat.frame(ada, "react", emoji="🔥", nonce="n") == {"type": "ack", "nonce": "n"}
    for emoji in ("❤", "❤️", "otterHi", "hwGG"):
        assert chat.frame(ben, "react", emoji=emoji)["type"] == "ack"
    chat.deliver()
    for connection in (ada, ben, reader):
        assert told(chat, connection) == {"🔥": 1, "❤️": 2, "otterHi": 1, "hwGG": 1}
    assert chat.join(ada)["messages"] == []


@pytest.mark.parametrize("emoji", ["🍕", "otterBye", "<b>", "🔥🔥", "x" * 30, "", 7, None])
def test_there_is_no_reaction_but_those_of_the_room(chat: ChatBackend, emoji: object) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    assert chat.frame(ada, "react", emoji=emoji)["code"] == "bad_frame"
    assert chat.hints() == []


def test_who_reacts_is_in_the_room_and_signed_in(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    assert chat.frame(ada, "react", emoji="🔥")["code"] == "not_joined"
    _, reader = chat.connect()
    chat.join(reader)
    assert chat.frame(reader, "react", emoji="🔥")["code"] == "unauthenticated"


def test_one_may_only_react_so_often(chat: ChatBackend) -> None:
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    chat.join(ada)
    chat.join(ben)
    answers = [chat.frame(ada, "react", emoji="🔥") for _ in range(REACTIONS_PER_MINUTE + 20)]
    assert {answer.get("code", "ack") for answer in answers} == {"ack", "rate_limited"}
    assert chat.frame(ben, "react", emoji="🔥")["type"] == "ack"

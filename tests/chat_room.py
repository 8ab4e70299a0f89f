"""What people and moderators do in a room, in as few words as tests of moderation need."""

from __future__ import annotations

from typing import Any

from headwater.domain.ids import new_id
from tests.chat_backend import ChatBackend


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

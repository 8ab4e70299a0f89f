"""Client · what is said in a room, and with which emotes."""

from __future__ import annotations

from typing import Literal

from headwater_client.answers.accounts import AvatarUpload
from headwater_client.answers.answer import Answer, Time


class ChatTicket(Answer, frozen=True):
    """Opens one socket, as `?ticket=`, within `expires_in` seconds."""

    ticket: str
    expires_in: int


class ChatAuthor(Answer, frozen=True):
    id: str
    username: str
    role: str
    badges: list[str]


class EmoteRange(Answer, frozen=True):
    """`text[start:end]` is the emote's name."""

    id: str
    name: str
    start: int
    end: int


class ChatMessage(Answer, frozen=True, kw_only=True):
    type: Literal["message"] = "message"
    seq: int
    id: str
    user: ChatAuthor
    text: str
    emotes: list[EmoteRange]
    reply_to: str | None
    created_at: Time


class ReplayedMessage(ChatMessage, frozen=True, kw_only=True):
    """`offset`: when it was said, in seconds from the beginning of the recording."""

    offset: float


class EmoteUpload(AvatarUpload, frozen=True):
    """As for an avatar, and what the emote is going to be."""

    id: str
    name: str


class Emote(Answer, frozen=True):
    """`images`: addresses by the size in pixels, of one that is ready."""

    id: str
    name: str
    built_in: bool
    status: Literal["pending", "ready", "failed"]
    images: dict[str, str] | None
    problem: str | None
    created_at: Time | None

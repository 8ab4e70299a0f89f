"""Client · moderation of a stream's chat: how the room is set, bans, messages that wait or are deleted, VIPs, the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypedDict, Unpack

from headwater_client import answers
from headwater_client.connection import Connection, path, reader


class RoomChanges(TypedDict, total=False):
    slow_seconds: int
    followers_only: bool
    follow_age_minutes: int
    account_age_minutes: int
    emote_only: bool
    unique: bool
    review: answers.Review
    blocked_terms: Sequence[answers.BlockedTerm]


class Moderation:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def settings(self, stream_id: str) -> answers.RoomSettings:
        return self._connection.fetch(
            reader(answers.RoomSettings), "GET", path("streams", stream_id, "chat", "settings")
        )

    def change_settings(self, stream_id: str, **changes: Unpack[RoomChanges]) -> answers.RoomSettings:
        """What is not given stays as it is; `blocked_terms` are given as a whole."""
        address = path("streams", stream_id, "chat", "settings")
        return self._connection.fetch(reader(answers.RoomSettings), "PATCH", address, changes)

    def bans(self, stream_id: str, *, limit: int | None = None) -> Iterator[answers.Ban]:
        """Also timeouts."""
        return self._connection.pages(reader(answers.Ban), path("streams", stream_id, "chat", "bans"), {"limit": limit})

    def ban_of(self, stream_id: str, username: str) -> answers.Ban:
        return self._connection.fetch(reader(answers.Ban), "GET", path("streams", stream_id, "chat", "bans", username))

    def ban(self, stream_id: str, username: str, *, seconds: int | None = None, reason: str | None = None) -> None:
        """For ever, or as a timeout of so many `seconds`."""
        body = _given(seconds=seconds, reason=reason)
        self._connection.send("PUT", path("streams", stream_id, "chat", "bans", username), body)

    def unban(self, stream_id: str, username: str) -> None:
        self._connection.send("DELETE", path("streams", stream_id, "chat", "bans", username))

    def delete_message(self, stream_id: str, message_id: str, *, reason: str | None = None) -> None:
        address = path("streams", stream_id, "chat", "messages", message_id)
        self._connection.send("DELETE", address, _given(reason=reason) or None)

    def restore_message(self, stream_id: str, message_id: str) -> None:
        """While the room remembers it."""
        self._connection.send("POST", path("streams", stream_id, "chat", "messages", message_id, "restore"))

    def held_messages(self, stream_id: str, *, limit: int | None = None) -> Iterator[answers.HeldMessage]:
        """Those that wait, the oldest first."""
        address = path("streams", stream_id, "chat", "held")
        return self._connection.pages(reader(answers.HeldMessage), address, {"limit": limit})

    def approve(self, stream_id: str, message_id: str) -> None:
        self._connection.send("POST", path("streams", stream_id, "chat", "held", message_id, "approve"))

    def reject(self, stream_id: str, message_id: str) -> None:
        self._connection.send("POST", path("streams", stream_id, "chat", "held", message_id, "reject"))

    def log(
        self,
        stream_id: str,
        *,
        action: answers.ModerationAction | None = None,
        actor: str | None = None,
        username: str | None = None,
        limit: int | None = None,
    ) -> Iterator[answers.ModerationEntry]:
        """Newest first; `username`: to whom it was done."""
        query = {"action": action, "actor": actor, "username": username, "limit": limit}
        return self._connection.pages(
            reader(answers.ModerationEntry), path("streams", stream_id, "moderation-log"), query
        )

    def exported_log(self, stream_id: str) -> str:
        """As CSV."""
        return self._connection.text(path("streams", stream_id, "moderation-log.csv"))

    def vips(self, stream_id: str) -> Iterator[answers.ListedPerson]:
        return self._connection.pages(reader(answers.ListedPerson), path("streams", stream_id, "vips"))

    def name_vip(self, stream_id: str, username: str) -> None:
        self._connection.send("PUT", path("streams", stream_id, "vips", username))

    def dismiss_vip(self, stream_id: str, username: str) -> None:
        self._connection.send("DELETE", path("streams", stream_id, "vips", username))


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}

"""Client · a stream's chat room, beside what is said in it over the socket: what can be said."""

from __future__ import annotations

from collections.abc import Iterator

from headwater_client import answers
from headwater_client.accounts import PictureType, send_picture
from headwater_client.connection import Connection, path, reader


class Chat:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def emotes(self, stream_id: str) -> Iterator[answers.Emote]:
        """The stream's own, and those that every stream has."""
        return self._connection.pages(reader(answers.Emote), path("streams", stream_id, "emotes"))

    def request_emote_upload(self, stream_id: str, name: str, content_type: PictureType) -> answers.EmoteUpload:
        """A form to send the picture with; `send_emote` does both."""
        body = {"name": name, "content_type": content_type}
        address = path("streams", stream_id, "emotes")
        return self._connection.fetch(reader(answers.EmoteUpload), "POST", address, body)

    def send_emote(self, stream_id: str, name: str, picture: bytes, content_type: PictureType) -> None:
        """Uploads a picture. `emotes()` says when it is `ready`, or why it has `failed`."""
        send_picture(self.request_emote_upload(stream_id, name, content_type), picture, content_type)

    def remove_emote(self, stream_id: str, name: str) -> None:
        self._connection.send("DELETE", path("streams", stream_id, "emotes", name))

"""Client · streams, going live, who may watch (`Streams`), and what is left of it (`Broadcasts`, `Clips`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict, Unpack

import msgspec

from headwater_client import answers
from headwater_client.connection import Connection, path, reader

StreamOrder = Literal["newest", "viewers", "started", "scheduled", "relevance"]


class StreamSettings(TypedDict, total=False):
    """`reconnect_window`: seconds that an encoder may be away."""

    description: str
    category: str | None
    tags: Sequence[str]
    privacy: Literal["public", "unlisted", "private"]
    record: bool
    latency: Literal["low", "standard"]
    reconnect_window: int
    auto_start: bool
    mature: bool
    scheduled_start: datetime | None


class StreamChanges(StreamSettings, total=False):
    title: str


class RecordingChanges(TypedDict, total=False):
    title: str
    privacy: Literal["public", "private"]


def _own_or_anothers(value: Any) -> answers.OwnStream | answers.Stream:
    own = isinstance(value, dict) and "record" in value
    return msgspec.convert(value, answers.OwnStream if own else answers.Stream)


class Streams:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, title: str, **settings: Unpack[StreamSettings]) -> answers.OwnStream:
        body = {"title": title, **settings}
        return self._connection.fetch(reader(answers.OwnStream), "POST", path("streams"), body)

    def list(
        self,
        *,
        live: bool | None = None,
        category: str | None = None,
        tag: str | None = None,
        q: str | None = None,
        owner: str | None = None,
        sort: StreamOrder | None = None,
        limit: int | None = None,
    ) -> Iterator[answers.OwnStream | answers.Stream]:
        """Public streams; with `owner`, a username, also one's own of every privacy. `limit`: how many each request brings."""
        query = {"live": live, "category": category, "tag": tag, "q": q, "owner": owner, "sort": sort, "limit": limit}
        return self._connection.pages(_own_or_anothers, path("streams"), query)

    def get(self, stream_id: str) -> answers.OwnStream | answers.Stream:
        return self._connection.fetch(_own_or_anothers, "GET", path("streams", stream_id))

    def change(self, stream_id: str, **changes: Unpack[StreamChanges]) -> answers.OwnStream:
        """What is not given stays as it is."""
        return self._connection.fetch(reader(answers.OwnStream), "PATCH", path("streams", stream_id), changes)

    def delete(self, stream_id: str) -> None:
        self._connection.send("DELETE", path("streams", stream_id))

    def ingest(self, stream_id: str) -> answers.Ingest:
        """Where and with which key to publish, and how the encoder is doing."""
        return self._connection.fetch(reader(answers.Ingest), "GET", path("streams", stream_id, "ingest"))

    def open_ingest(self, stream_id: str) -> answers.Ingest:
        """Somewhere to publish to, if it is not there already: `starting` takes up to a minute."""
        return self._connection.fetch(reader(answers.Ingest), "POST", path("streams", stream_id, "ingest", "open"))

    def rotate_key(self, stream_id: str) -> answers.Ingest:
        """An encoder on the old key is dropped."""
        return self._connection.fetch(reader(answers.Ingest), "POST", path("streams", stream_id, "ingest", "rotate"))

    def start(self, stream_id: str) -> answers.OwnStream:
        """Takes a preview public."""
        return self._connection.fetch(reader(answers.OwnStream), "POST", path("streams", stream_id, "start"))

    def stop(self, stream_id: str) -> answers.OwnStream:
        """Ends the broadcast and drops the encoder."""
        return self._connection.fetch(reader(answers.OwnStream), "POST", path("streams", stream_id, "stop"))

    def broadcasts(self, stream_id: str, *, limit: int | None = None) -> Iterator[answers.Broadcast]:
        """Newest first."""
        address = path("streams", stream_id, "broadcasts")
        return self._connection.pages(reader(answers.Broadcast), address, {"limit": limit})

    def clips(self, stream_id: str, *, limit: int | None = None) -> Iterator[answers.Clip]:
        """Newest first."""
        return self._connection.pages(reader(answers.Clip), path("streams", stream_id, "clips"), {"limit": limit})

    def make_clip(
        self,
        stream_id: str,
        title: str,
        start: float | datetime,
        *,
        duration: float | None = None,
        broadcast_id: str | None = None,
    ) -> answers.Clip:
        """`start`: seconds from the beginning of the recording, or a moment. Of the newest broadcast, unless it is said."""
        wanted = {"duration": duration, "broadcast_id": broadcast_id}
        body = {"title": title, "start": start} | {name: value for name, value in wanted.items() if value is not None}
        return self._connection.fetch(reader(answers.Clip), "POST", path("streams", stream_id, "clips"), body)

    def moderators(self, stream_id: str) -> Iterator[answers.ListedPerson]:
        return self._connection.pages(reader(answers.ListedPerson), path("streams", stream_id, "moderators"))

    def name_moderator(self, stream_id: str, username: str) -> None:
        self._connection.send("PUT", path("streams", stream_id, "moderators", username))

    def dismiss_moderator(self, stream_id: str, username: str) -> None:
        self._connection.send("DELETE", path("streams", stream_id, "moderators", username))

    def viewers(self, stream_id: str) -> Iterator[answers.ListedPerson]:
        """Who may watch it while it is private, beside its owner."""
        return self._connection.pages(reader(answers.ListedPerson), path("streams", stream_id, "viewers"))

    def allow_viewer(self, stream_id: str, username: str) -> None:
        self._connection.send("PUT", path("streams", stream_id, "viewers", username))

    def disallow_viewer(self, stream_id: str, username: str) -> None:
        self._connection.send("DELETE", path("streams", stream_id, "viewers", username))

    def watch(self, stream_id: str) -> answers.PlaybackSession:
        """Begins to watch: play its `playback`, and send a heartbeat every `heartbeat_seconds`."""
        address = path("streams", stream_id, "playback-session")
        return self._connection.fetch(reader(answers.PlaybackSession), "POST", address)

    def keep_watching(self, session_id: str) -> answers.Heartbeat:
        """The heartbeat. Its `access`, where there is one, takes the place of the session's."""
        address = path("playback-sessions", session_id, "heartbeat")
        return self._connection.fetch(reader(answers.Heartbeat), "POST", address)

    def chat_messages(
        self, stream_id: str, *, before: str | None = None, limit: int | None = None
    ) -> Iterator[answers.ChatMessage]:
        """Newest first. `before`: the `seq` of the oldest message known."""
        address = path("streams", stream_id, "chat", "messages")
        return self._connection.pages(reader(answers.ChatMessage), address, {"before": before, "limit": limit})


class Broadcasts:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, *, limit: int | None = None) -> Iterator[answers.Broadcast]:
        """The recordings of public streams, newest first."""
        return self._connection.pages(reader(answers.Broadcast), path("broadcasts"), {"limit": limit})

    def get(self, broadcast_id: str) -> answers.Broadcast:
        return self._connection.fetch(reader(answers.Broadcast), "GET", path("broadcasts", broadcast_id))

    def chat(
        self, broadcast_id: str, *, from_: float | None = None, to: float | None = None, limit: int | None = None
    ) -> Iterator[answers.ReplayedMessage]:
        """What was said from then until before then (seconds of the recording), as the recording goes on."""
        query = {"from": from_, "to": to, "limit": limit}
        return self._connection.pages(reader(answers.ReplayedMessage), path("broadcasts", broadcast_id, "chat"), query)

    def change(self, broadcast_id: str, **changes: Unpack[RecordingChanges]) -> answers.Broadcast:
        """What is not given stays as it is."""
        return self._connection.fetch(reader(answers.Broadcast), "PATCH", path("broadcasts", broadcast_id), changes)

    def delete(self, broadcast_id: str) -> None:
        """With its recording and its clips."""
        self._connection.send("DELETE", path("broadcasts", broadcast_id))


class Clips:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, clip_id: str) -> answers.Clip:
        return self._connection.fetch(reader(answers.Clip), "GET", path("clips", clip_id))

    def delete(self, clip_id: str) -> None:
        self._connection.send("DELETE", path("clips", clip_id))

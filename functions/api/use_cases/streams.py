"""Stage 7 · streams: create, look at, change, delete.

A stream lives in two stores: PostgreSQL says what it is, the hot state (DynamoDB) what ingest may do with it. Every change
writes PostgreSQL first, uncommitted, then the hot state, and commits last. What a crash in between leaves behind:

- create: a hot state of which nobody ever saw the id or the key.
- change: ingest already follows settings whose sender got an error, and sends them again.
- delete: a stream that is listed but can never publish, until its owner deletes it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from headwater.domain.accounts import Role, User
from headwater.domain.broadcast import StreamControl
from headwater.domain.broadcast_events import Configure, Delete, Event
from headwater.domain.decision import Decision
from headwater.domain.ids import StreamId, UserId, new_id
from headwater.domain.streams import OnAir, Owner, Stream, StreamProfile
from headwater.errors import DependencyUnavailable, Forbidden, LimitReached, NotFound, Unauthenticated
from headwater.observability import count


class StreamStore(Protocol):
    def add(self, stream_id: StreamId, owner: Owner, profile: StreamProfile) -> Stream: ...
    def count_of_owner(self, owner_id: UserId) -> int: ...
    def category_named(self, text: str) -> str: ...
    def visible(self, stream_id: StreamId, viewer: UserId | None) -> Stream | None: ...
    def hold(self, stream_id: StreamId, owner_id: UserId) -> None: ...
    def change(self, stream_id: StreamId, owner: Owner, profile: StreamProfile) -> None: ...
    def remove(self, stream_id: StreamId, owner_id: UserId) -> None: ...


class AccountStore(Protocol):
    def hold_able(self, user_id: UserId) -> User | None: ...
    def add_role(self, user_id: UserId, role: Role) -> None: ...


class HotState(Protocol):
    def read(self, stream_id: StreamId) -> StreamControl | None: ...
    def create(self, control: StreamControl) -> None: ...
    def apply(self, stream_id: StreamId, event: Event) -> Decision: ...


def visible_stream(streams: StreamStore, stream_id: StreamId, viewer: UserId | None) -> Stream:
    """Raises NotFound, also for somebody else's private stream."""
    stream = streams.visible(stream_id, viewer)
    if stream is None:
        raise NotFound
    return stream


def owned_stream(streams: StreamStore, stream_id: StreamId, user_id: UserId) -> Stream:
    """Raises NotFound for what the user may not see, Forbidden for what is somebody else's."""
    stream = visible_stream(streams, stream_id, user_id)
    if not stream.is_owned_by(user_id):
        raise Forbidden("Only the stream's owner may do this.")
    return stream


def create_stream(
    streams: StreamStore,
    accounts: AccountStore,
    hot_state: HotState,
    owner_id: UserId,
    profile: StreamProfile,
    streams_per_user: int,
) -> Stream:
    """Raises LimitReached when the owner has `streams_per_user` of them; of two made at once, too, one is refused."""
    user = accounts.hold_able(owner_id)
    if user is None:
        raise Unauthenticated  # the account is gone; its last token is not yet
    if streams.count_of_owner(owner_id) >= streams_per_user:
        raise LimitReached(f"An account has at most {streams_per_user} streams. Delete one that you no longer need.")
    stream_id = StreamId(new_id())
    owner = Owner(user_id=owner_id, username=user.username, avatar_url=user.avatar_url)
    stream = streams.add(stream_id, owner, _with_known_category(streams, profile))
    if not user.is_streamer:
        accounts.add_role(owner_id, Role.STREAMER)
    hot_state.create(StreamControl(stream_id=stream_id, owner_id=owner_id, settings=profile.ingest_settings))
    return stream


def look_at_stream(streams: StreamStore, hot_state: HotState, stream_id: StreamId, viewer: UserId | None) -> Stream:
    """The stream as of this moment: what is on the air is read from the hot state, which history follows a little later."""
    stream = visible_stream(streams, stream_id, viewer)
    try:
        return as_of(stream, hot_state.read(stream_id))
    except DependencyUnavailable:
        count("HotStateNotRead")
        return stream  # as history knows it


def change_stream(
    streams: StreamStore, hot_state: HotState, stream_id: StreamId, user_id: UserId, fields: Mapping[str, Any]
) -> Stream:
    """`fields` are those of StreamProfile that are to change. Of two changes at once neither is lost."""
    streams.hold(stream_id, user_id)
    stream = owned_stream(streams, stream_id, user_id)
    profile = _with_known_category(streams, replace(stream.profile, **fields))
    if profile != stream.profile:
        streams.change(stream_id, stream.owner, profile)
    # Also when nothing changes here: ingest may follow a change of which this store never heard.
    control = hot_state.apply(stream_id, Configure(profile.ingest_settings)).control
    return as_of(replace(stream, profile=profile), control)


def delete_stream(streams: StreamStore, hot_state: HotState, stream_id: StreamId, user_id: UserId) -> None:
    """Ends what is on the air, makes the key worthless, and forgets the stream, its history and its chat."""
    owned_stream(streams, stream_id, user_id)
    streams.remove(stream_id, user_id)
    with suppress(NotFound):  # it never had a hot state, or no longer has: nothing can be published to it
        hot_state.apply(stream_id, Delete())


def _with_known_category(streams: StreamStore, profile: StreamProfile) -> StreamProfile:
    """A category is anything that its owner calls it; one of the list is written as the list does."""
    if profile.category is None:
        return profile
    return replace(profile, category=streams.category_named(profile.category))


def as_of(stream: Stream, control: StreamControl | None) -> Stream:
    """`stream` with what the hot state says is on the air."""
    broadcast = control.broadcast if control else None
    if control is None or broadcast is None:
        return stream
    shown = broadcast.broadcast_id not in (*control.withheld, *control.removed)
    live_at = None if broadcast.live_at is None else datetime.fromtimestamp(broadcast.live_at / 1000, UTC)
    return replace(
        stream,
        on_air=OnAir(
            broadcast_id=broadcast.broadcast_id, state=broadcast.state, public=broadcast.public, went_live_at=live_at
        ),
        poster_of=broadcast.broadcast_id if shown and live_at is not None else stream.poster_of,
    )

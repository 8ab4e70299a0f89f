"""Stage 7 · the rules of chat: what may be said, who is who in a room, how a room's numbering is read. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from headwater.domain.ids import ConnectionId, UserId
from headwater.domain.room_settings import TEXT_LIMIT, USUAL_RULES, RoomRules
from headwater.errors import BadFrame, TooLong

FRAME_LIMIT_BYTES = 32 * 1024  # API Gateway's largest WebSocket frame, either way
BAD_FRAMES_IN_A_ROW = 10  # the one that makes it so many closes the socket
CONNECTION_SECONDS = 2 * 3600  # API Gateway ends a WebSocket after two hours
HISTORY_EVENTS = 50  # what somebody who joins afresh is shown

# What one user may say in one room: at first a burst, then at a steady rate (Twitch: 20 in 30 s).
MESSAGE_BURST = 20
MESSAGES_PER_MINUTE = 40
REACTIONS_PER_MINUTE = 60  # of one user in one room, as many of them at once

# What all in one room may say together: more than anybody can read, and less than would reach a room's numbering.
ROOM_MESSAGE_BURST = 400
ROOM_MESSAGES_PER_SECOND = 200

# Controls, surrogates and private use have no place in text. Of the format characters only those stay that emoji and
# some scripts are written with: the joiners. Overrides of writing direction could make a message read as another's.
_REMOVED_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Cn", "Cf"})
_JOINERS = frozenset("\u200c\u200d")
_TAGS = range(0xE0020, 0xE0080)  # spell the flags of England, Scotland and Wales


class RoomRole(StrEnum):
    """What somebody is in one room; shown beside the name."""

    OWNER = "owner"
    MODERATOR = "moderator"
    VIP = "vip"
    VIEWER = "viewer"


MODERATING = frozenset({RoomRole.OWNER, RoomRole.MODERATOR})
_BADGES: dict[RoomRole, tuple[str, ...]] = {
    RoomRole.OWNER: ("owner",),
    RoomRole.MODERATOR: ("moderator",),
    RoomRole.VIP: ("vip",),
    RoomRole.VIEWER: (),
}
_SITE_MODERATORS = frozenset({"moderator", "admin"})


@dataclass(frozen=True, slots=True)
class Chatter:
    """A signed-in user, as the ticket vouched for at connect. `roles` are those of the whole site."""

    user_id: UserId
    username: str
    roles: tuple[str, ...] = ()
    verified: bool = False
    registered_at: int = 0  # Unix ms

    @property
    def moderates_the_site(self) -> bool:
        return not _SITE_MODERATORS.isdisjoint(self.roles)


@dataclass(frozen=True, slots=True)
class Room:
    """What decides who may be in a stream's room, and as what."""

    owner_id: UserId
    private: bool = False
    moderators: frozenset[UserId] = frozenset()
    vips: frozenset[UserId] = frozenset()
    viewers: frozenset[UserId] = frozenset()  # who may be in it while it is private, beside its owner
    rules: RoomRules = USUAL_RULES

    def admits(self, chatter: Chatter | None) -> bool:
        if not self.private:
            return True
        return chatter is not None and (chatter.user_id == self.owner_id or chatter.user_id in self.viewers)

    def role_of(self, chatter: Chatter | None) -> RoomRole:
        return role_in_room(chatter, self.owner_id, self.moderators, self.vips)


@dataclass(frozen=True, slots=True)
class Membership:
    """One connection in one room. Read-only connections have no `chatter`."""

    connection_id: ConnectionId
    chatter: Chatter | None
    joined_seq: int  # the frame `joined` held everything up to here
    moderates: bool = False
    shard: int = 0  # of the room: by which run its frames are sent


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """One entry of a room's log: its number and its JSON object, ready to be sent."""

    seq: int
    body: str


@dataclass(frozen=True, slots=True)
class RoomView:
    """What a room's log holds for somebody who joins: `events` end at `seq`; `gap` when some of the missed are gone."""

    seq: int
    events: tuple[RoomEvent, ...]
    gap: bool = False


def clean_text(text: str) -> str:
    """`text` as others get to see it: NFC, on one line, without characters that cannot be seen or that reorder others.

    Raises BadFrame when nothing is left, TooLong above TEXT_LIMIT characters.
    """
    if len(text) > FRAME_LIMIT_BYTES:
        raise TooLong
    kept = "".join(" " if c.isspace() else c for c in text if c.isspace() or _may_be_said(c))
    cleaned = " ".join(unicodedata.normalize("NFC", kept).split())
    if not any(unicodedata.category(c) not in ("Cf", "Mn", "Zs") for c in cleaned):
        raise BadFrame("The message is empty.")
    if len(cleaned) > TEXT_LIMIT:
        raise TooLong
    return cleaned


def _may_be_said(character: str) -> bool:
    return (
        unicodedata.category(character) not in _REMOVED_CATEGORIES or character in _JOINERS or ord(character) in _TAGS
    )


def role_in_room(
    chatter: Chatter | None, owner_id: UserId, moderators: Collection[UserId] = (), vips: Collection[UserId] = ()
) -> RoomRole:
    if chatter is None:
        return RoomRole.VIEWER
    if chatter.user_id == owner_id:
        return RoomRole.OWNER
    if chatter.user_id in moderators or chatter.moderates_the_site:
        return RoomRole.MODERATOR
    return RoomRole.VIP if chatter.user_id in vips else RoomRole.VIEWER


def badges(role: RoomRole, *, verified: bool = False, follower: bool = False) -> tuple[str, ...]:
    """In the order in which they are shown."""
    return (*_BADGES[role], *(("verified",) if verified else ()), *(("follower",) if follower else ()))


def role_shown_by(shown: Collection[str]) -> RoomRole:
    """What somebody was in the room who had these badges."""
    return next((role for role, own in _BADGES.items() if not frozenset(own).isdisjoint(shown)), RoomRole.VIEWER)


def origin_allowed(origin: str | None, allowed: Collection[str]) -> bool:
    """Whether a page of `origin` may open a socket. Only browsers send one, and they always do: RFC 6455 § 10.2."""
    return origin is None or origin in allowed


def in_frames(events: Sequence[RoomEvent], limit_bytes: int) -> list[list[RoomEvent]]:
    """`events` in runs whose bodies, with a comma each, take at most `limit_bytes`; a single larger one stands alone."""
    runs: list[list[RoomEvent]] = []
    room_left = 0
    for event in events:
        size = len(event.body.encode()) + 1
        if size > room_left:
            runs.append([])
            room_left = limit_bytes
        runs[-1].append(event)
        room_left -= size
    return runs

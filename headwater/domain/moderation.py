"""Stage 7 · the rules of moderation: who may do what to whom, and who may say what in a room that is set so. Pure.

| | owner | site moderator | moderator | VIP | anybody else |
|---|---|---|---|---|---|
| commands, settings, bans, log | yes | yes | yes | no | no |
| can be timed out or banned | by nobody | by nobody | by owner and site | by moderators | by moderators |
| what they said can be deleted | by site | by owner and site | by owner and site | by moderators | by moderators |
| a ban or timeout binds | no | no | yes, in commands too | yes | yes |
| slow mode, followers-only, account age, links held | exempt | exempt | exempt | exempt | bound |
| emote-only, unique, blocked terms, everything held | exempt | exempt | exempt | bound | bound |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from headwater.domain.blocked_terms import blocked_terms
from headwater.domain.chat import Chatter, Room, RoomRole
from headwater.domain.ids import UserId
from headwater.domain.room_settings import Review, RoomRules, TermAction
from headwater.errors import (
    AccountTooYoung,
    Banned,
    BlockedTermsUsed,
    EmoteOnly,
    FollowersOnly,
    Forbidden,
    TimedOut,
)

TIMEOUT_LIMIT_SECONDS = 14 * 24 * 3600
REASON_LIMIT = 300
UNIQUE_SECONDS = 600  # for how long what was said may not be said again in a room that is set so

# As a client finds them, and a little more: what somebody has to retype is a link, too.
_LINK = re.compile(r"(?i:https?://|www\.)\S|\b[\w-]+\.(?i:com|net|org|tv|gg|io|me|ly|ru|xyz|info|link|site|app|dev)\b")
_MINUTE_MS = 60_000


class ModerationAction(StrEnum):
    """What the log knows."""

    DELETE = "delete"
    RESTORE = "restore"
    TIMEOUT = "timeout"
    BAN = "ban"
    UNBAN = "unban"
    CLEAR = "clear"
    SETTINGS = "settings"
    APPROVE = "approve"
    REJECT = "reject"
    VIP = "vip"
    UNVIP = "unvip"
    MODERATOR = "moderator"
    UNMODERATOR = "unmoderator"
    EMOTE = "emote"
    UNEMOTE = "unemote"


class Sanction(msgspec.Struct, frozen=True, kw_only=True):
    """A ban, or with `until_ms` a timeout. `entry_id`: what the log knows it as."""

    user_id: UserId
    username: str
    entry_id: str
    by: UserId
    at_ms: int
    until_ms: int | None = None
    reason: str | None = None

    def holds(self, now_ms: int) -> bool:
        return self.until_ms is None or self.until_ms > now_ms


@dataclass(frozen=True, slots=True)
class Standing:
    """What a room knows of one user. `banned` has no end; `timed_out_until_ms` and `follows_since_ms` are Unix times."""

    banned: bool = False
    timed_out_until_ms: int | None = None
    follows_since_ms: int | None = None

    def is_barred(self, now_ms: int) -> bool:
        return self.banned or (self.timed_out_until_ms is not None and self.timed_out_until_ms > now_ms)


@dataclass(frozen=True, slots=True)
class Exemptions:
    """What does not bind somebody of this role."""

    from_bars: bool
    from_modes: bool  # slow mode, followers-only, account age, links that are held
    from_all: bool  # and emote-only, unique, blocked terms, the room's own limit


def exemptions(room: Room, chatter: Chatter) -> Exemptions:
    role = room.role_of(chatter)
    moderates = role in (RoomRole.OWNER, RoomRole.MODERATOR)
    return Exemptions(
        from_bars=role is RoomRole.OWNER or chatter.moderates_the_site,
        from_modes=moderates or role is RoomRole.VIP,
        from_all=moderates,
    )


def check_may_moderate(room: Room, chatter: Chatter, standing: Standing, now_ms: int) -> None:
    """Raises Forbidden."""
    if room.role_of(chatter) not in (RoomRole.OWNER, RoomRole.MODERATOR):
        raise Forbidden("Only the owner and the moderators of a room may do this.")
    if standing.is_barred(now_ms) and not exemptions(room, chatter).from_bars:
        raise Forbidden("Who is banned or timed out does not moderate.")


def check_may_act_on(room: Room, chatter: Chatter, target: UserId, target_moderates_site: bool = False) -> None:
    """Raises Forbidden when `target` is not below `chatter`."""
    if target == chatter.user_id:
        raise Forbidden("Nobody can do this to themselves.")
    if target == room.owner_id:
        raise Forbidden("Nobody can do this to the owner of a room.")
    if target_moderates_site:
        raise Forbidden("Nobody can do this to a moderator of the site.")
    is_above = chatter.user_id == room.owner_id or chatter.moderates_the_site
    if target in room.moderators and not is_above:
        raise Forbidden("Only the owner of a room can do this to one of its moderators.")


def check_may_delete(room: Room, chatter: Chatter, author: UserId, author_moderates_site: bool = False) -> None:
    """Raises Forbidden. The owner and the site's moderators delete whatever was said, a moderator not what those above said."""
    if chatter.user_id in (author, room.owner_id) or chatter.moderates_the_site:
        return
    check_may_act_on(room, chatter, author, author_moderates_site)


def check_may_speak(standing: Standing, now_ms: int) -> None:
    """Raises Banned, TimedOut."""
    if standing.banned:
        raise Banned
    if standing.timed_out_until_ms is not None and standing.timed_out_until_ms > now_ms:
        raise TimedOut(retry_after_seconds=-(-(standing.timed_out_until_ms - now_ms) // 1000))


def judge(
    text: str, room: Room, chatter: Chatter, standing: Standing, *, only_emotes: bool, now_ms: int
) -> TermAction | None:
    """Whether `text` may be said now: None, or HOLD when a moderator has to look at it first.

    Slow mode, `unique` and the limits are judged where the message is accepted, since they depend on what came before.
    Raises Banned, TimedOut, AccountTooYoung, FollowersOnly, EmoteOnly, BlockedTermsUsed.
    """
    exempt = exemptions(room, chatter)
    if not exempt.from_bars:
        check_may_speak(standing, now_ms)
    if not exempt.from_modes:
        _check_ages(room.rules, chatter, standing, now_ms)
    if exempt.from_all:
        return None
    if room.rules.settings.emote_only and not only_emotes:
        raise EmoteOnly
    action = blocked_terms(room.rules.blocked_terms).action_on(text)
    if action is TermAction.REFUSE:
        raise BlockedTermsUsed
    links_wait = room.rules.review is Review.LINKS and not exempt.from_modes
    if action is TermAction.HOLD or room.rules.review is Review.ALL or (links_wait and _LINK.search(text)):
        return TermAction.HOLD
    return None


def _check_ages(rules: RoomRules, chatter: Chatter, standing: Standing, now_ms: int) -> None:
    settings = rules.settings
    age_ms = settings.account_age_minutes * _MINUTE_MS
    if now_ms - chatter.registered_at < age_ms:
        raise AccountTooYoung(retry_after_seconds=-(-(chatter.registered_at + age_ms - now_ms) // 1000))
    if not settings.followers_only:
        return
    if standing.follows_since_ms is None:
        raise FollowersOnly
    follow_ms = settings.follow_age_minutes * _MINUTE_MS
    if now_ms - standing.follows_since_ms < follow_ms:
        raise FollowersOnly(
            "Only who has followed for longer may chat here.",
            retry_after_seconds=-(-(standing.follows_since_ms + follow_ms - now_ms) // 1000),
        )


def clean_reason(reason: str | None) -> str | None:
    """On one line, without what cannot be seen; None when nothing is left."""
    kept = "".join(c for c in " ".join((reason or "").split()) if c.isprintable())
    return kept[:REASON_LIMIT] or None

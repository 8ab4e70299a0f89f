"""Who may say what in a room that is set so, and who may do what to whom."""

from __future__ import annotations

import pytest

from headwater.domain.chat import Chatter, Room
from headwater.domain.ids import UserId
from headwater.domain.moderation import (
    Standing,
    check_may_act_on,
    check_may_delete,
    check_may_moderate,
    clean_reason,
    exemptions,
    judge,
)
from headwater.domain.room_settings import BlockedTerm, Review, RoomRules, RoomSettings, TermAction
from headwater.errors import (
    AccountTooYoung,
    Banned,
    BlockedTermsUsed,
    EmoteOnly,
    FollowersOnly,
    Forbidden,
    HeadwaterError,
    TimedOut,
)

NOW = 1_800_000_000_000
MINUTE = 60_000
OWNER, MODERATOR, VIP, VIEWER = (UserId(name) for name in ("owner", "moderator", "vip", "viewer"))
PEOPLE = {
    "owner": Chatter(OWNER, "owner"),
    "moderator": Chatter(MODERATOR, "moderator"),
    "site": Chatter(UserId("site"), "site", ("viewer", "moderator")),
    "admin": Chatter(UserId("admin"), "admin", ("viewer", "admin")),
    "vip": Chatter(VIP, "vip"),
    "viewer": Chatter(VIEWER, "viewer"),
}


def room(rules: RoomRules | None = None) -> Room:
    return Room(OWNER, moderators=frozenset({MODERATOR}), vips=frozenset({VIP}), rules=rules or RoomRules())


def verdict(
    rules: RoomRules | None = None,
    standing: Standing | None = None,
    who: str = "viewer",
    text: str = "hello",
    only_emotes: bool = False,
) -> TermAction | type[HeadwaterError] | None:
    try:
        return judge(text, room(rules), PEOPLE[who], standing or Standing(), only_emotes=only_emotes, now_ms=NOW)
    except HeadwaterError as refusal:
        return type(refusal)


def test_a_bar_binds_everybody_but_the_owner_and_the_moderators_of_the_site() -> None:
    for standing, refusal in ((Standing(banned=True), Banned), (Standing(timed_out_until_ms=NOW + 1), TimedOut)):
        found = {who: verdict(standing=standing, who=who) for who in PEOPLE}
        assert found == {
            "owner": None, "site": None, "admin": None, "moderator": refusal, "vip": refusal, "viewer": refusal,
        }  # fmt: skip
    assert verdict(standing=Standing(timed_out_until_ms=NOW)) is None


def test_a_timeout_says_how_many_seconds_are_left_rounded_up() -> None:
    with pytest.raises(TimedOut) as refused:
        judge("hello", room(), PEOPLE["viewer"], Standing(timed_out_until_ms=NOW + 1001), only_emotes=False, now_ms=NOW)
    assert refused.value.retry_after_seconds == 2


@pytest.mark.parametrize(
    ("since", "needed", "wanted"),
    [
        (None, 0, FollowersOnly), (NOW, 0, None), (NOW - 9 * MINUTE, 10, FollowersOnly), (NOW - 10 * MINUTE, 10, None),
        (NOW + MINUTE, 10, FollowersOnly),
    ],
)  # fmt: skip
def test_followers_only_with_and_without_an_age(
    since: int | None, needed: int, wanted: type[HeadwaterError] | None
) -> None:
    rules = RoomRules(settings=RoomSettings(followers_only=True, follow_age_minutes=needed))
    standing = Standing(follows_since_ms=since)
    assert verdict(rules, standing) is wanted
    assert verdict(rules, standing, "vip") is None
    ignored = RoomRules(settings=RoomSettings(follow_age_minutes=needed))
    assert verdict(ignored, standing) is None, "the age alone asks nothing"


def test_an_account_has_to_be_old_enough_and_is_told_when() -> None:
    rules = RoomRules(settings=RoomSettings(account_age_minutes=10))
    young = Chatter(VIEWER, "viewer", registered_at=NOW - 9 * MINUTE - 30_000)
    with pytest.raises(AccountTooYoung) as refused:
        judge("hello", room(rules), young, Standing(), only_emotes=False, now_ms=NOW)
    assert refused.value.retry_after_seconds == 30
    old = Chatter(VIEWER, "viewer", registered_at=NOW - 10 * MINUTE)
    assert judge("hello", room(rules), old, Standing(), only_emotes=False, now_ms=NOW) is None


def test_emotes_blocked_terms_and_review_bind_vips_too_but_links_do_not() -> None:
    emotes = RoomRules(settings=RoomSettings(emote_only=True))
    terms = RoomRules(blocked_terms=(BlockedTerm(term="bad"), BlockedTerm(term="maybe", action=TermAction.HOLD)))
    for who in ("vip", "viewer"):
        assert verdict(emotes, who=who) is EmoteOnly
        assert verdict(emotes, who=who, only_emotes=True) is None
        assert verdict(terms, who=who, text="BAD") is BlockedTermsUsed
        assert verdict(terms, who=who, text="m a y b e") is TermAction.HOLD
        assert verdict(RoomRules(review=Review.ALL), who=who) is TermAction.HOLD
    links = RoomRules(review=Review.LINKS)
    assert verdict(links, who="viewer", text="see example.com") is TermAction.HOLD
    assert verdict(links, who="vip", text="see example.com") is None
    for who in ("owner", "moderator", "site", "admin"):
        for rules in (emotes, terms, links, RoomRules(review=Review.ALL)):
            assert verdict(rules, who=who, text="bad maybe example.com") is None


@pytest.mark.parametrize(
    ("text", "is_link"),
    [
        ("https://example.org", True), ("HTTP://x", True), ("www.example.org", True), ("go to discord.gg/abc", True),
        ("example.com", True), ("end. Then", False), ("3.14", False), ("v1.2.3", False), ("a.b", False), ("hello", False),
        ("http", False),
    ],
)  # fmt: skip
def test_what_counts_as_a_link(text: str, is_link: bool) -> None:
    assert (verdict(RoomRules(review=Review.LINKS), text=text) is TermAction.HOLD) is is_link


@pytest.mark.parametrize("who", PEOPLE)
def test_only_who_moderates_may_and_not_while_barred(who: str) -> None:
    allowed = {"owner", "moderator", "site", "admin"}
    for standing, may in ((Standing(), allowed), (Standing(banned=True), allowed - {"moderator"})):
        try:
            check_may_moderate(room(), PEOPLE[who], standing, NOW)
            refused = False
        except Forbidden:
            refused = True
        assert refused is (who not in may)


@pytest.mark.parametrize(
    ("who", "whom"),
    [
        ("owner", {"moderator", "vip", "viewer"}), ("moderator", {"vip", "viewer"}), ("site", {"moderator", "vip", "viewer"}),
        ("admin", {"moderator", "vip", "viewer"}),
    ],
)  # fmt: skip
def test_nobody_acts_on_who_is_above_them_or_on_themselves(who: str, whom: set[str]) -> None:
    allowed = set()
    for name, target in PEOPLE.items():
        try:
            check_may_act_on(room(), PEOPLE[who], target.user_id, target.moderates_the_site)
            allowed.add(name)
        except Forbidden:
            continue
    assert allowed == whom


@pytest.mark.parametrize(
    ("who", "whose"),
    [
        ("owner", set(PEOPLE)), ("site", set(PEOPLE)), ("admin", set(PEOPLE)),
        ("moderator", set(PEOPLE) - {"owner", "site", "admin"}),
    ],
)  # fmt: skip
def test_moderators_delete_what_was_said_but_by_who_is_above_them(who: str, whose: set[str]) -> None:
    deleted = set()
    for name, author in PEOPLE.items():
        try:
            check_may_delete(room(), PEOPLE[who], author.user_id, author.moderates_the_site)
            deleted.add(name)
        except Forbidden:
            continue
    assert deleted == whose


def test_exemptions_are_those_of_the_table() -> None:
    found = {
        who: (each.from_bars, each.from_modes, each.from_all)
        for who, chatter in PEOPLE.items()
        if (each := exemptions(room(), chatter))
    }
    assert found == {
        "owner": (True, True, True), "site": (True, True, True), "admin": (True, True, True),
        "moderator": (False, True, True), "vip": (False, True, False), "viewer": (False, False, False),
    }  # fmt: skip


def test_a_reason_is_one_line_of_what_can_be_seen() -> None:
    assert clean_reason("  two\n lines\u202e\x07 ") == "two lines"
    assert clean_reason("x" * 400) == "x" * 300
    assert clean_reason(" \n ") is clean_reason(None) is None

"""What may be said in chat, who is who, and how events are put into frames."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.chat import (
    Chatter,
    RoomEvent,
    RoomRole,
    badges,
    clean_text,
    in_frames,
    origin_allowed,
    role_in_room,
)
from headwater.domain.ids import UserId
from headwater.domain.room_settings import TEXT_LIMIT
from headwater.errors import BadFrame, TooLong

FLAG_OF_WALES = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("hello", "hello"),
        ("  two\r\n lines\t", "two lines"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("e\u200b\u0301", "\u00e9"),
        ("nul\x00 bell\x07 escape\x1b[31m", "nul bell escape[31m"),
        ("\u202egnp.exe\u202c", "gnp.exe"),
        ("\u2066isolate\u2069", "isolate"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("line\u2028separator", "line separator"),
        ("lone \ud800 surrogate", "lone surrogate"),
        (FAMILY, FAMILY),
        (FLAG_OF_WALES, FLAG_OF_WALES),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_text_is_normalised_and_loses_what_cannot_be_seen(said: str, heard: str) -> None:
    assert clean_text(said) == heard


@pytest.mark.parametrize("said", ["", " ", "\n\t", "\x00", "\u200b\u200d", "\u202e", "\u0301", "\u3000"])
def test_a_message_that_shows_nothing_is_none(said: str) -> None:
    with pytest.raises(BadFrame):
        clean_text(said)


def test_the_limit_counts_characters_after_normalisation() -> None:
    assert len(clean_text("e\u0301" * TEXT_LIMIT)) == TEXT_LIMIT
    assert clean_text("\U0001f30a" * TEXT_LIMIT)
    for too_long in ("x" * (TEXT_LIMIT + 1), "x" * 10_000_000):
        with pytest.raises(TooLong):
            clean_text(too_long)


@given(st.text(st.characters(), max_size=TEXT_LIMIT))
def test_clean_text_stays_as_it_is_and_holds_no_control(said: str) -> None:
    try:
        heard = clean_text(said)
    except (BadFrame, TooLong):
        return
    assert clean_text(heard) == heard
    assert unicodedata.is_normalized("NFC", heard)
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp") for character in heard)
    heard.encode()


def test_roles_in_a_room() -> None:
    owner = UserId("owner")
    assert role_in_room(Chatter(owner, "o", ("viewer", "admin")), owner) is RoomRole.OWNER
    assert role_in_room(Chatter(UserId("a"), "a", ("admin",)), owner) is RoomRole.MODERATOR
    assert role_in_room(Chatter(UserId("s"), "s", ("viewer", "streamer")), owner) is RoomRole.VIEWER
    named = UserId("n")
    assert role_in_room(Chatter(named, "n"), owner, {named}) is RoomRole.MODERATOR
    assert role_in_room(None, owner) is RoomRole.VIEWER
    assert role_in_room(Chatter(named, "n"), owner, vips={named}) is RoomRole.VIP
    assert role_in_room(Chatter(named, "n"), owner, {named}, {named}) is RoomRole.MODERATOR
    assert {role: badges(role) for role in RoomRole} == {
        RoomRole.OWNER: ("owner",),
        RoomRole.MODERATOR: ("moderator",),
        RoomRole.VIP: ("vip",),
        RoomRole.VIEWER: (),
    }


def test_a_page_may_open_a_socket_only_from_exactly_an_origin_of_ours() -> None:
    ours = {"https://headwater.example"}
    assert origin_allowed("https://headwater.example", ours)
    assert origin_allowed(None, ours)
    for other in (
        "",
        "null",
        "https://HEADWATER.example.evil",
        "http://headwater.example",
        "https://headwater.example/",
    ):
        assert not origin_allowed(other, ours)


@given(st.lists(st.integers(min_value=1, max_value=60)), st.integers(min_value=1, max_value=100))
def test_frames_hold_every_event_once_in_order_within_the_limit(sizes: list[int], limit: int) -> None:
    events = [RoomEvent(seq, "x" * size) for seq, size in enumerate(sizes)]
    frames = in_frames(events, limit)
    assert [event for frame in frames for event in frame] == events
    assert all(len(frame) == 1 or sum(len(event.body) + 1 for event in frame) <= limit for frame in frames)
    assert all(frames)

"""Words to find streams by, tags, plans and cursors: what is typed, and what it comes to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.api.stream_bodies import tag_form
from functions.api.stream_cursors import position_after, stream_cursor
from headwater.adapters.stream_lists import StreamOrder, StreamPosition
from headwater.domain.broadcast import BroadcastState
from headwater.domain.ids import BroadcastId, StreamId, UserId, new_id
from headwater.domain.stream_search import (
    LONGEST_TOLERANT,
    MOST_TOLERANT,
    StreamSearch,
    searchable,
    understand,
    with_letters_swapped,
)
from headwater.domain.streams import OnAir, Owner, Stream, StreamProfile
from headwater.errors import InvalidInput

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Crème Brûlée!", "creme brulee"),
        ("STRASSE Straße", "strasse strasse"),
        ("Ｆｕｌｌ width ½", "full width 1 2"),
        ("Łódź, Øresund, Æther", "lodz oresund aether"),
        ("İstanbul ısı", "istanbul isi"),
        ("Ночной", "ночнои"),
        ("日本語 配信", "日本語 配信"),
        ("سلام", "سلام"),
        ("wave 🌊 👩‍💻", "wave u1f30a u1f469 u1f4bb"),
        ("chess_club/100%", "chess club 100"),
        ("\x00\ud800 \n", ""),
    ],
)
def test_words_are_told_apart_by_letters_alone(text: str, words: str) -> None:
    assert searchable(text) == words


@given(st.text(max_size=140))
def test_whatever_is_typed_can_be_searched_for(text: str) -> None:
    search = understand(text)
    assert set(searchable(text)) >= set("".join(search.tolerant)) - {" "}
    assert searchable(searchable(text)) == searchable(text)
    assert '""' not in search.exact
    assert search.exact.count('"') % 2 == 0


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("late guitar", StreamSearch('"late" "guitar"', "", ("late", "guitar"))),
        ('"late guitar" jam', StreamSearch('"late guitar" "jam"', '"late guitar"', ("jam",))),
        ("guitar -bass go", StreamSearch('"guitar" -"bass" "go"', '-"bass" "go"', ("guitar",))),
        ("guitar 4711", StreamSearch('"guitar" "4711"', '"4711"', ("guitar",))),
        ("cat OR dog", StreamSearch('"cat" or "dog"', "", ())),
        ("or cat or or", StreamSearch('"cat"', "", ("cat",))),
        ('say "or', StreamSearch('"say" "or"', '"or"', ("say",))),
        ("-cat", StreamSearch("", "", ())),
        ("!?", StreamSearch("", "", ())),
    ],
)
def test_a_search_is_understood(text: str, search: StreamSearch) -> None:
    assert understand(text) == search


def test_neighbouring_letters_may_have_changed_places() -> None:
    assert with_letters_swapped("form") == ("ofrm", "from", "fomr")
    assert with_letters_swapped("ab cd") == ()


def test_a_search_stays_small_however_much_is_typed() -> None:
    # One square of Japanese type stands for six letters: 140 characters can hold a word of 840.
    for hostile in ("\u3316" * 140, "abcdefghijklmnopqrstuvwxyz" * 5, " ".join(f"ab{chr(97 + n)}" for n in range(26))):
        search = understand(hostile)
        assert search.exact
        assert len(search.tolerant) <= MOST_TOLERANT
        assert all(len(word) <= LONGEST_TOLERANT for word in search.tolerant)
        assert with_letters_swapped(search.exact) == ()
    assert understand("evenign " * 17).tolerant == ("evenign",)
    assert len(with_letters_swapped("a\u00e4" * (LONGEST_TOLERANT // 2))) < LONGEST_TOLERANT
    assert with_letters_swapped("ab" * LONGEST_TOLERANT) == ()


@given(st.text(max_size=60))
def test_a_tag_has_one_form(text: str) -> None:
    form = tag_form(text)
    assert tag_form(f"  #{form}  ") == form
    assert tag_form(form.upper()) == form or not form.isascii()


@pytest.mark.parametrize("text", ["#Sea  Songs", "sea songs", " SEA SONGS", "＃ｓｅａ songs"])
def test_spellings_of_one_tag_are_one_tag(text: str) -> None:
    assert tag_form(text) == "sea songs"


positions = st.builds(
    lambda rank, slot, forgiving: StreamPosition(StreamId(new_id()), rank, slot, forgiving),
    st.one_of(st.none(), st.integers(0, 2**31 - 1)),
    st.integers(0, 10**12),
    st.booleans(),
)


@given(positions, st.sampled_from([StreamOrder.VIEWERS, StreamOrder.STARTED]))
def test_a_cursor_leads_back_to_its_position(position: StreamPosition, order: StreamOrder) -> None:
    assert len(stream_cursor(position)) <= 64
    assert position_after(stream_cursor(position), order) == position


@given(st.text(max_size=64), st.sampled_from(list(StreamOrder)))
def test_any_other_cursor_is_refused(text: str, order: StreamOrder) -> None:
    with pytest.raises(InvalidInput):
        position_after(text, order)


def planned(start: timedelta, went_live: timedelta | None = None) -> datetime | None:
    on_air = None
    if went_live is not None:
        on_air = OnAir(BroadcastId("b"), BroadcastState.LIVE, public=True, went_live_at=NOW + went_live)
    profile: Any = StreamProfile(title="t", scheduled_start=NOW + start)
    owner = Owner(UserId("u"), "ana", None)
    return Stream(StreamId("s"), owner, profile, NOW, 0, on_air, None).planned_start(NOW)


def test_a_plan_is_shown_until_it_has_come_true_or_is_an_hour_past() -> None:
    minute, hour, day = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
    assert planned(day) == NOW + day
    assert planned(-59 * minute) == NOW - 59 * minute
    assert planned(-hour) is None
    assert planned(30 * minute, went_live=-minute) is None, "it began a little early"
    assert planned(day, went_live=-minute) == NOW + day, "another show"

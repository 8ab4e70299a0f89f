"""What is blocked is found however it is spelt, and nothing else is."""

from __future__ import annotations

import time

import pytest

from headwater.domain.blocked_terms import BlockedTerms, folded
from headwater.domain.room_settings import TERM_LENGTH, TERMS_LIMIT, TEXT_LIMIT, BlockedTerm, TermAction


def action(text: str, *terms: str) -> TermAction | None:
    return BlockedTerms([BlockedTerm(term=term) for term in terms]).action_on(text)


@pytest.mark.parametrize(
    "text",
    [
        "badword", "a BADWORD!", "bádwörd", "ｂａｄｗｏｒｄ", "𝖇𝖆𝖉𝖜𝖔𝖗𝖉", "bаdwоrd", "βαdwοrd", "b4dw0rd", "b@dword", "@badword",
        "baaaaadword", "b a d w o r d", "b.a.d.w.o.r.d", "b-a_d*w/o\\r|d", "so b a d w o r d is",
        "bad\u200bword", "bad\u200dword", "b\u0336a\u0336dword", "(badword)", "BAD-WORD", "badword, indeed",
        "ⓑⓐⓓⓦⓞⓡⓓ", "bаdwοrԁ",
    ],
)  # fmt: skip
def test_a_term_is_found_in_every_disguise(text: str) -> None:
    assert action(text, "badword") is TermAction.REFUSE


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("a classic pass", "ass"), ("as it is", "ass"), ("good", "god"), ("455 people", "ass"), ("bad words", "badwords"),
        ("buy more followers", "buy followers"), ("abandon", "b*n"), ("", "badword"), ("a b", "badword"), ("hello", "***"),
    ],
)  # fmt: skip
def test_words_that_only_hold_it_or_resemble_it_are_let_through(text: str, term: str) -> None:
    assert action(text, term) is None


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("badwords", "badword*"), ("verybadword", "*badword"), ("averybadwordthis", "*bad*word*"), ("bundle", "b*dle"),
        ("Buy  FOLLOWERS now", "buy followers"), ("buy f0ll0wers", "buy foll*"), ("asss", "ass"), ("gooood", "good"),
        ("call 0800 now", "0800"), ("kill", "KILL"), ("k1ll", "kill"), ("плохо", "плохо"),
    ],
)  # fmt: skip
def test_asterisks_stand_for_letters_and_several_words_for_themselves(text: str, term: str) -> None:
    assert action(text, term) is TermAction.REFUSE


def test_to_refuse_comes_before_to_hold() -> None:
    terms = BlockedTerms([BlockedTerm(term="maybe", action=TermAction.HOLD), BlockedTerm(term="never")])
    assert terms.action_on("maybe") is TermAction.HOLD
    assert terms.action_on("maybe never") is TermAction.REFUSE
    assert terms.action_on("surely") is None


def test_the_same_said_with_other_capitals_and_spaces_is_the_same() -> None:
    assert folded("Hello,  WORLD!") == folded("hello world")
    assert folded("!!!") == "!!!"
    assert folded("first") != folded("second")


def test_the_worst_terms_and_text_take_no_time_that_anybody_notices() -> None:
    """A pattern that doubles the work with each asterisk would take years here."""
    terms = BlockedTerms(
        [BlockedTerm(term=("a*" * TERM_LENGTH)[: TERM_LENGTH - 4] + f"{n:03}x") for n in range(TERMS_LIMIT)]
    )
    began = time.process_time()
    assert terms.action_on("a" * TEXT_LIMIT) is None
    assert terms.action_on("ab " * (TEXT_LIMIT // 3)) is None
    assert time.process_time() - began < 20

"""Stage 7 · blocked terms: whether a message holds one, however it is spelt. Pure.

Text and terms are folded alike: compatibility forms, capitals, accents, letters of other scripts that look like Latin ones
(Unicode Technical Standard 39, "confusables"), digits and signs for letters, letters drawn out, letters spaced out. Who
wants to be understood can always find another spelling: this takes away the easy ones. Words are compared whole, so that
`ass` blocks neither `class` nor `pass`; `*` in a term stands for any letters, also none.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence

from headwater.domain.room_settings import BlockedTerm, TermAction

# What NFKC and case folding leave of letters that pass for Latin ones, each before the one that it looks like.
_PAIRS = (
    "аa вb гr еe зe иu кk мm нh оo рp сc тt уy хx ьb ѕs іi јj ԁd ԛq ԝw ѵv һh ӏi ҽe "
    "αa βb γy δd εe ηn ιi κk νv οo ρp τt υu χx ωw ϲc ϳj "
    "ɑa ɡg ɩi ıi ɪi ʏy ʀr ʟl ɴn ʜh ʙb"
)
_LOOKALIKES = str.maketrans({pair[0]: pair[1] for pair in _PAIRS.split()})
_DIGITS = str.maketrans("013456789", "oieasgtbg")
_SIGNS = str.maketrans("@$!|€£¥+()", "asiielytcc")
_SAME = str.maketrans("l", "i")  # both are drawn as a stroke, as 1 is
_MARK_LIKE = frozenset({"Mn", "Me", "Cf"})
_DRAWN_OUT = re.compile(r"(.)\1{2,}")
_LETTERS = re.compile(r"[^\W_]+")
_ENDS = "!?.,;:+)(|"


class BlockedTerms:
    """The terms of one room, folded once."""

    def __init__(self, terms: Sequence[BlockedTerm]) -> None:
        self._words: dict[str, set[TermAction]] = {}  # most terms are one word, which is looked up
        self._patterns: list[tuple[TermAction, tuple[str, ...]]] = []
        for each in terms:
            pattern = _pattern(each.term)
            if len(pattern) == 1 and "*" not in pattern[0]:
                self._words.setdefault(pattern[0], set()).add(each.action)
            elif pattern:
                self._patterns.append((each.action, pattern))

    def action_on(self, text: str) -> TermAction | None:
        """What is to be done with `text`; to refuse it comes before to hold it. None: it holds no blocked term."""
        if not self._words and not self._patterns:
            return None
        found: set[TermAction] = set()
        for words in _spellings(text):
            found = found.union(*(self._words[word] for word in words if word in self._words))
            whole = " ".join(words)
            found.update(
                action for action, pattern in self._patterns if _may_occur(pattern, whole) and _occurs(pattern, words)
            )
        return min(found, key=list(TermAction).index, default=None)


@functools.lru_cache(maxsize=256)
def blocked_terms(terms: tuple[BlockedTerm, ...]) -> BlockedTerms:
    return BlockedTerms(terms)


def folded(text: str) -> str:
    """`text` without what makes no difference to who reads it: the same for two messages that say the same."""
    return " ".join(_LETTERS.findall(_plain(text))) or text


def _plain(text: str) -> str:
    """Lower case, without accents, in Latin letters as far as they look like it."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(character for character in apart if unicodedata.category(character) not in _MARK_LIKE)
    return unicodedata.normalize("NFKC", kept).casefold().translate(_LOOKALIKES)


def _read(word: str) -> str:
    """Digits as the letters they stand for, unless it is a number."""
    if not word.replace("*", "").isdigit():
        word = word.translate(_DIGITS)
    return word.translate(_SAME)


def _pattern(term: str) -> tuple[str, ...]:
    words = re.sub(r"\*+", "*", _plain(term)).split()
    kept = ("".join(c for c in word.translate(_SIGNS) if c.isalnum() or c == "*") for word in words)
    return tuple(_read(word) for word in kept if word.strip("*"))


def _spellings(text: str) -> Iterator[list[str]]:
    """The ways in which `text` may be meant, each as a list of words."""
    plain = _plain(text)
    together = plain.split()  # f.o.o is one word
    ways = [
        _LETTERS.findall(plain),
        ["".join(_LETTERS.findall(word)) for word in together],
        ["".join(_LETTERS.findall(word.translate(_SIGNS))) for word in together],
        ["".join(_LETTERS.findall(word.strip(_ENDS).translate(_SIGNS))) for word in together],
    ]
    seen = set()
    for way in ways:
        for kept in (r"\1", r"\1\1"):
            words = [_read(_DRAWN_OUT.sub(kept, word)) for word in way if word]
            for spelt in (words, _closed_up(words)):
                if tuple(spelt) not in seen:
                    seen.add(tuple(spelt))
                    yield spelt


def _closed_up(words: Sequence[str]) -> list[str]:
    """f o o → foo."""
    found: list[str] = []
    letters = ""
    for word in [*words, ""]:
        if len(word) == 1:
            letters += word
            continue
        found += [part for part in (letters, word) if part]
        letters = ""
    return found


def _may_occur(pattern: Sequence[str], whole: str) -> bool:
    """Quickly: whether all that the asterisks leave of it is there at all."""
    return all(part in whole for word in pattern for part in word.split("*"))


def _occurs(pattern: Sequence[str], words: Sequence[str]) -> bool:
    places = range(len(words) - len(pattern) + 1)
    return any(all(_is(part, words[place + n]) for n, part in enumerate(pattern)) for place in places)


def _is(pattern: str, word: str) -> bool:
    """In linear time: a pattern of many asterisks must not be a way to keep us busy."""
    first, *rest = pattern.split("*")
    if not rest:
        return word == pattern
    *between, last = rest
    if len(word) < len(first) + len(last) or not (word.startswith(first) and word.endswith(last)):
        return False
    place, end = len(first), len(word) - len(last)
    for part in between:
        place = word.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return True

"""Stage 7 · words to find streams by: what is stored of a stream and what is asked for, brought to one form.

Folding happens here and not in the database, so that it is the same on both sides whatever locale a database has.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

SHORTEST_TOLERANT = 3  # characters; a shorter word resembles too much to be searched for with a typo; so does a number
# Each letter and each word more makes such a search dearer; nobody means a name of this length, or mistypes so many.
LONGEST_TOLERANT = 32
MOST_TOLERANT = 8
# What no normal form takes apart.
_PLAIN = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i"})
_PARTS = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')


def searchable(text: str) -> str:
    """The words of `text`, separated by single spaces: no accents, no case, no punctuation.

    A symbol becomes a word of its own (`u1f30a` for a wave), so that emoji can be searched for.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold()).translate(_PLAIN)
    return " ".join("".join(map(_folded_character, folded)).split())


def _folded_character(character: str) -> str:
    kind = unicodedata.category(character)
    if kind[0] in "LN":
        return character
    if kind[0] == "M":
        return ""
    return f" u{ord(character):x} " if kind == "So" else " "


@dataclass(frozen=True, slots=True)
class StreamSearch:
    """What somebody asks for: `"a phrase"`, `-without`, `this or that`, and words that may be misspelt.

    `exact` is the whole search and `required` the part of it that no typo excuses, both for PostgreSQL's
    `websearch_to_tsquery`; `tolerant` are the words of the rest. No `tolerant` words: `exact` is all there is.
    """

    exact: str
    required: str
    tolerant: tuple[str, ...]

    @property
    def asks_for_nothing(self) -> bool:
        return not self.exact


def understand(text: str) -> StreamSearch:
    """Total: whatever somebody types has a meaning, if only that nothing can be found by it."""
    exact: list[str] = []
    required: list[str] = []
    tolerant: dict[str, None] = {}
    for part in _PARTS.finditer(text):
        quoted = part["phrase"] is not None
        words = searchable(part["phrase"] if quoted else part["word"])
        if not words:
            continue
        if not quoted and not part["minus"] and words == "or":
            if exact and exact[-1] != "or":
                exact.append("or")
            continue
        # Several words out of one are a phrase: `chess-club` is no search for clubs.
        asked = f'{part["minus"]}"{words}"'
        exact.append(asked)
        room = words in tolerant or len(tolerant) < MOST_TOLERANT
        if room and not quoted and not part["minus"] and _may_be_misspelt(words):
            tolerant[words] = None
        else:
            required.append(asked)
    if exact and exact[-1] == "or":
        exact.pop()
    if not any(asked != "or" and not asked.startswith("-") for asked in exact):
        return StreamSearch("", "", ())  # what is only to be left out leaves everything
    if "or" in exact:
        return StreamSearch(" ".join(exact), "", ())
    return StreamSearch(" ".join(exact), " ".join(required), tuple(tolerant))


def _may_be_misspelt(words: str) -> bool:
    return SHORTEST_TOLERANT <= len(words) <= LONGEST_TOLERANT and not any(map(str.isdigit, words))


def with_letters_swapped(word: str) -> tuple[str, ...]:
    """What somebody may have meant who typed two neighbouring letters in the wrong order."""
    if " " in word or not word.isalpha() or len(word) > LONGEST_TOLERANT:
        return ()
    swapped = (f"{word[:i]}{word[i + 1]}{word[i]}{word[i + 2 :]}" for i in range(len(word) - 1))
    return tuple(dict.fromkeys(each for each in swapped if each not in (word, "or")))

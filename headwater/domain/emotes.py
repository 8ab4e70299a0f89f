"""Stage 7 · emotes and reactions: names that stand for small pictures, and where they stand in a text. Pure.

A name is a word of its own: `hwWave!` holds `hwWave`, `hwWaves` and `@hwWave` do not, and nothing in a link is one. Capitals
count. Built-in emotes are every room's, and have their name for an id; a room's own have ids like everything else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from headwater.domain.ids import StreamId, is_id

BUILT_IN_PREFIX = "hw"  # no room's own emote begins with it, so that every later built-in one is free to be called so
BUILT_IN = (
    "hwWave", "hwHeart", "hwLaugh", "hwLove", "hwWow", "hwCry", "hwAngry", "hwThink",
    "hwCool", "hwSleepy", "hwWink", "hwParty", "hwFire", "hwCoffee", "hwStar", "hwGG",
)  # fmt: skip

# What one may react with, beside emotes.
REACTIONS = ("👍", "❤️", "😂", "😮", "😢", "👏", "🔥", "🎉", "🤔", "👀", "💯", "🙏")
_EMOJI_STYLE = "\ufe0f"  # some keyboards leave it out, and some put it in

NAME_PATTERN = r"[A-Za-z0-9]{3,24}"
LIMIT = 50  # of one stream
SIZES = (112, 56, 28)  # pixels, each way
MAX_BYTES = 1024 * 1024
UPLOAD_SECONDS = 300  # for which a form is good

_NAME = re.compile(NAME_PATTERN)
_WORDS = re.compile(rf"(?i:https?)://\S+|(?<![\w@])({NAME_PATTERN})(?!\w)")
_SPOKEN_REACTIONS = {each.replace(_EMOJI_STYLE, ""): each for each in REACTIONS}


class EmoteState(StrEnum):
    PENDING = "pending"  # the form was handed out; perhaps nobody will use it
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Emote:
    """One of a room's own. `problem` is for who sent the picture."""

    emote_id: str
    name: str
    state: EmoteState
    created_by: str
    created_at_ms: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class EmoteRange:
    """`text[start:end]` is the emote's name; both count code points."""

    id: str
    name: str
    start: int
    end: int


def is_emote_name(name: str) -> bool:
    """Whether a room's own emote may be called so."""
    return _NAME.fullmatch(name) is not None and not name.lower().startswith(BUILT_IN_PREFIX)


def find_emotes(text: str, own: Mapping[str, str]) -> tuple[EmoteRange, ...]:
    """Every emote in `text`, in order; `own` are the room's, id by name."""
    found = []
    for word in _WORDS.finditer(text):
        name = word[1]
        emote_id = None if name is None else emote_called(name, own)
        if emote_id is not None:
            found.append(EmoteRange(emote_id, name, *word.span()))
    return tuple(found)


def emote_called(name: str, own: Mapping[str, str]) -> str | None:
    """The id of the emote that is called so in this room."""
    return name if name in _BUILT_IN else own.get(name)


def has_only_emotes(text: str, emotes: Sequence[EmoteRange]) -> bool:
    """Whether `text` is nothing but the emotes that were found in it, and spaces."""
    rest, end = [], 0
    for emote in emotes:
        rest.append(text[end : emote.start])
        end = emote.end
    return bool(emotes) and not "".join([*rest, text[end:]]).strip()


def reaction_of(said: str, own: Mapping[str, str]) -> str | None:
    """The reaction as it is counted, for one of REACTIONS or an emote's name; None for anything else."""
    emoji = _SPOKEN_REACTIONS.get(said.replace(_EMOJI_STYLE, ""))
    if emoji is not None:
        return emoji
    return said if emote_called(said, own) is not None else None


def emote_upload_of(object_key: str) -> tuple[StreamId, str] | None:
    """Of which stream and emote an upload under this key is; None for a key that is none of an emote's."""
    folder, _, rest = object_key.partition("/")
    stream_id, _, emote_id = rest.partition("/")
    return (StreamId(stream_id), emote_id) if folder == "emotes" and is_id(stream_id) and is_id(emote_id) else None


_BUILT_IN = frozenset(BUILT_IN)

"""Stage 7 · what requests about streams may carry."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from functions.api.request_bodies import ABSENT, Body, Patch, line_of_text, lines_of_text, stripped
from headwater.domain.clips import LONGEST_SECONDS
from headwater.domain.ids import ID_PATTERN
from headwater.domain.streams import SCHEDULE_LONGEST, Latency, Privacy, StreamProfile

LATEST_START_SECONDS = 7 * 24 * 3600
MAX_TAG_LENGTH = 30
MAX_TAGS = 10


# Letters and a symbol that are drawn as nothing: the fillers of Hangul, and Braille without a dot.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def _name(text: str) -> str:
    """What things are called by is on one line, and there is something to be seen of it."""
    line_of_text(text)
    if all(unicodedata.category(character)[0] in "MZC" or character in _BLANK for character in text):
        raise ValueError("There is nothing to be seen of this.")
    return text


def tag_form(tag: str) -> str:
    """The one spelling of a tag: `#Sea  Songs` and `sea songs` are the same. May be empty."""
    return " ".join(
        unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", tag).casefold()).replace("#", " ").split()
    )


def _tag(text: str) -> str:
    tag = tag_form(_name(text))
    if not 1 <= len(tag) <= MAX_TAG_LENGTH:
        raise ValueError(f"A tag has between 1 and {MAX_TAG_LENGTH} characters.")
    return tag


def _distinct(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


def _planned_start(text: str) -> datetime:
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        start = None
    if start is None or start.tzinfo is None or "T" not in text.upper():
        raise ValueError("Send a time as RFC 3339 has it, with its offset: `2027-01-31T20:00:00Z`.")
    try:
        start = start.astimezone(UTC)
    except OverflowError:
        raise ValueError("This time is out of range.") from None
    now = datetime.now(UTC)
    if start <= now:
        raise ValueError("A planned start lies ahead. Send `null` to take it back.")
    if start > now + SCHEDULE_LONGEST:
        raise ValueError("A planned start lies at most a year ahead.")
    return start


Title = Annotated[str, stripped(1, 140), AfterValidator(_name)]
Description = Annotated[str, stripped(0, 5000), AfterValidator(lines_of_text)]
Category = Annotated[str, stripped(1, 60), AfterValidator(_name)]
Tag = Annotated[
    str,
    StringConstraints(max_length=4 * MAX_TAG_LENGTH),  # before it is brought into its form
    AfterValidator(_tag),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_TAG_LENGTH}),
]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(_distinct)]
ReconnectWindow = Annotated[int, Field(ge=0, le=1800, description="Seconds that an encoder may be away.")]
PlannedStart = Annotated[
    str,
    StringConstraints(max_length=40),
    AfterValidator(_planned_start),
    WithJsonSchema({"type": "string", "format": "date-time", "description": "Ahead of now, at most a year."}),
]


def _clip_start(value: Any) -> float | datetime:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value <= LATEST_START_SECONDS:
            raise ValueError("Send seconds from the beginning of the recording.")
        return float(value)
    try:
        moment = datetime.fromisoformat(value[:40]) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("Send seconds, or a time as RFC 3339 has it, with its offset: `2027-01-31T20:00:00Z`.")


ClipStart = Annotated[
    Any,
    AfterValidator(_clip_start),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": LATEST_START_SECONDS},
                {"type": "string", "format": "date-time", "maxLength": 40},
            ],
            "description": "Seconds from the beginning of the recording, or a moment while it was on the air.",
        }
    ),
]


class NewStream(Body):
    title: Title
    description: Description = ""
    category: Category | None = None
    tags: Tags = Field(default=[])
    privacy: Literal["public", "unlisted", "private"] = "public"
    record: bool = True
    latency: Literal["low", "standard"] = "standard"
    reconnect_window: ReconnectWindow = 60
    auto_start: bool = True
    mature: bool = False
    scheduled_start: PlannedStart | None = None

    def profile(self) -> StreamProfile:
        return StreamProfile(**profile_fields(self))


class StreamPatch(Patch):
    title: Title = ABSENT
    description: Description = ABSENT
    category: Category | None = ABSENT
    tags: Tags = ABSENT
    privacy: Literal["public", "unlisted", "private"] = ABSENT
    record: bool = ABSENT
    latency: Literal["low", "standard"] = ABSENT
    reconnect_window: ReconnectWindow = ABSENT
    auto_start: bool = ABSENT
    mature: bool = ABSENT
    scheduled_start: PlannedStart | None = ABSENT


def profile_fields(body: NewStream | StreamPatch) -> dict[str, Any]:
    """The fields that were sent, as a StreamProfile holds them."""
    fields = {name: getattr(body, name) for name in body.model_fields_set}
    if "tags" in fields:
        fields["tags"] = tuple(fields["tags"])
    if "privacy" in fields:
        fields["privacy"] = Privacy(fields["privacy"])
    if "latency" in fields:
        fields["latency"] = Latency(fields["latency"])
    return fields


class BroadcastPatch(Patch):
    title: Title = ABSENT
    privacy: Literal["public", "private"] = ABSENT


class NewClip(Body):
    title: Title
    start: ClipStart
    duration: Annotated[float, Field(gt=0, le=LONGEST_SECONDS, allow_inf_nan=False)] = 30
    broadcast_id: (
        Annotated[str, Field(max_length=64), WithJsonSchema({"type": "string", "pattern": ID_PATTERN.pattern})] | None
    ) = None

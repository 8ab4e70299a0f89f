"""Client · what all answers have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

Time = Annotated[datetime, msgspec.Meta(tz=True)]

# What opens something for whoever reads it: it does not belong into a log, and so not into a `repr`.
_SECRETS = frozenset(
    {
        "access_token",
        "refresh_token",
        "token",
        "ticket",
        "stream_key",
        "cookies",
        "query",
        "fields",
        "url",
        "session_id",
    }
)


class Answer(msgspec.Struct, frozen=True):
    def __repr__(self) -> str:
        shown = (
            f"{name}={'…' if name in _SECRETS else repr(getattr(self, name))}" for name in type(self).__struct_fields__
        )
        return f"{type(self).__name__}({', '.join(shown)})"

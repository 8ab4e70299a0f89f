"""Stage 7 · usernames: what they may be written with, which are nobody's, and when two are the same.

Letters A–Z, digits and underscores only. Everything else would let one name pass for another: a Cyrillic а, a full-width
ａ, an invisible joiner (Unicode Technical Standard 39). What is left of that risk lies within ASCII, where `I`, `l` and
`1`, and `O` and `0`, look alike in many a font, and case is no difference: two such names are the same name.
"""

from __future__ import annotations

import re
import unicodedata

MIN_LENGTH = 3
MAX_LENGTH = 25
PATTERN = rf"^[A-Za-z0-9_]{{{MIN_LENGTH},{MAX_LENGTH}}}$"

_PLAIN = re.compile(r"[A-Za-z0-9_]*", re.ASCII)
# The database says the same: the index `users_username_look_key`.
_LOOK = str.maketrans("01i", "oll")
# For names that only we may bear, nearer disguises count, too.
_DISGUISES = (("_", ""), ("rn", "m"), ("vv", "w"), ("5", "s"), ("3", "e"), ("4", "a"), ("7", "t"))

# Roles and mailboxes of ours (RFC 2142 and customary ones), and words that stand in our addresses.
_RESERVED = (
    "abuse", "account", "admin", "administrator", "anonymous", "api", "auth", "billing", "chat", "contact",
    "deleted", "everyone", "headwater", "help", "hostmaster", "info", "login", "logout", "mail", "me",
    "moderation", "moderator", "noreply", "nobody", "null", "official", "operator", "postmaster", "recordings",
    "register", "root", "security", "settings", "signin", "signup", "staff", "studio", "support", "system",
    "undefined", "unknown", "vendor", "verified", "webmaster",
)  # fmt: skip


def objection(text: str) -> str | None:
    """Why `text` cannot be a username, for the one who chose it; None when it can."""
    if not _PLAIN.fullmatch(text):
        plain = unicodedata.normalize("NFKC", text)
        if _PLAIN.fullmatch(plain):
            return f"Some of these characters only look like others. Write it plainly: {plain}."
        return "Only the letters A to Z, digits and underscores: others can be mistaken for these."
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        return f"A username has {MIN_LENGTH} to {MAX_LENGTH} characters."
    return None


def look(username: str) -> str:
    """What two names that can be mistaken for one another have in common."""
    return username.lower().translate(_LOOK)


def is_reserved(username: str) -> bool:
    """Whether the name, in any disguise, is one that only we may bear."""
    return _undisguised(username) in _RESERVED_LOOKS


def _undisguised(username: str) -> str:
    text = username.lower()
    for disguise, plain in _DISGUISES:
        text = text.replace(disguise, plain)
    return text.translate(_LOOK)


_RESERVED_LOOKS = frozenset(_undisguised(name) for name in _RESERVED)

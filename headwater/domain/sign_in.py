"""Stage 7 · signed-in sessions: whose requests are still heard, and what their owner is shown of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

MAX_USER_AGENT_LENGTH = 256  # what is kept of it
MOST_SESSIONS = 50  # of one account, at a time

# Browsers name their ancestors, too: who comes first in this list is meant. Chromium's descendants call themselves Chrome.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
_PRODUCT = re.compile(r"[A-Za-z][\w .-]{0,39}")  # the first product token (RFC 9110 § 10.1.5), without its version


@dataclass(frozen=True, slots=True)
class Device:
    """Where a request came from: its User-Agent as sent, at most MAX_USER_AGENT_LENGTH characters, and its address."""

    user_agent: str
    address: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What is true of a caller's account while their session runs."""

    roles: tuple[str, ...]
    suspended: bool


@dataclass(frozen=True, slots=True)
class SignInSession:
    """One sign-in and all that was refreshed from it. `last_used_at` is that of its last refresh, or of the sign-in."""

    session_id: str
    device: Device
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


def device_name(user_agent: str) -> str:
    """What a person would call it, e.g. `Firefox on Linux`. A guess for display; nothing is decided by it."""
    if not user_agent.startswith("Mozilla/"):
        product = _PRODUCT.match(user_agent)
        return product[0].strip() if product else "Unknown device"
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "Browser")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    return f"{browser} on {system}" if system else browser

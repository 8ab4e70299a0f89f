"""Stage 7 · where people may sign in from: OpenID providers that the deployment is configured with, and what they tell us.

A person at a provider is the pair (issuer, subject) and nothing else: addresses and names change hands, and a provider
says of them what it likes (OpenID Connect Core §5.7).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from headwater.domain.accounts import is_username
from headwater.domain.usernames import MAX_LENGTH, is_reserved

PROVIDER_NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,30}$"
MAX_SUBJECT_LENGTH = 255  # OpenID Connect Core §2, of `sub`

_PROVIDER_NAME = re.compile(PROVIDER_NAME_PATTERN, re.ASCII)
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class SignInProvider:
    """One OpenID provider. `claims` are asked for by name, where a provider does not send them for a scope."""

    name: str
    label: str
    issuer: str
    client_id: str
    scope: str = "openid email profile"
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    label: str
    issuer: str
    scope: str = "openid email profile"
    claims: tuple[str, ...] = ()


_KNOWN: Mapping[str, _Known] = {
    "google": _Known("Google", "https://accounts.google.com"),
    # Twitch knows neither `email` nor `profile`: a scope of its own permits the address, and only claims that are asked
    # for by name are sent (dev.twitch.tv/docs/authentication/getting-tokens-oidc).
    "twitch": _Known(
        "Twitch",
        "https://id.twitch.tv/oauth2",
        "openid user:read:email",
        ("email", "email_verified", "preferred_username"),
    ),
}


@dataclass(frozen=True, slots=True)
class ProvenIdentity:
    """Somebody whom a provider has vouched for, just now.

    `email` is there only if the provider says that it is theirs, and has the form of an address.
    """

    provider: str
    issuer: str
    subject: str
    email: str | None = None
    preferred_username: str | None = None

    @property
    def label(self) -> str | None:
        """By what people tell their own identities apart."""
        return self.email or self.preferred_username


def configured_provider(
    name: str, client_id: str, issuer: str | None = None, label: str | None = None
) -> SignInProvider:
    """A provider as configured. Raises ValueError, naming what is wrong, also for an issuer that cannot be trusted.

    Google and Twitch are known by their names; given an `issuer`, they keep their ways (a test's fake of them, say).
    """
    if not _PROVIDER_NAME.fullmatch(name):
        raise ValueError(f"the sign-in provider {name!r} needs a name of lower-case letters, digits and hyphens")
    if not client_id:
        raise ValueError(f"the sign-in provider {name!r} needs a client_id")
    known = _KNOWN.get(name)
    found = issuer or (known.issuer if known else None)
    if found is None:
        raise ValueError(f"the sign-in provider {name!r} needs an issuer")
    if not is_trustworthy_url(found) or urlsplit(found).query or urlsplit(found).fragment:
        raise ValueError(f"the issuer of the sign-in provider {name!r} must be an https URL")
    if known is None:
        return SignInProvider(name, label or name.capitalize(), found, client_id)
    return SignInProvider(name, label or known.label, found, client_id, known.scope, known.claims)


def is_trustworthy_url(url: str) -> bool:
    """https to anywhere; plain http to this machine only, where nobody is in between (RFC 8252 §8.3)."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host or parts.username is not None or parts.password is not None or not url.isascii():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK_HOSTS)


def may_be_spoken_to(url: str, issuer: str) -> bool:
    """May a provider's own document send us there? An https issuer cannot lead us to plain http, nor to this machine.

    Whoever the deployment trusts to say who people are may still not make it look around in its own network.
    """
    if not is_trustworthy_url(url):
        return False
    if urlsplit(issuer).hostname in _LOOPBACK_HOSTS:
        return True
    parts = urlsplit(url)
    return parts.scheme == "https" and not _is_address(parts.hostname or "") and parts.hostname not in _LOOPBACK_HOSTS


def _is_address(host: str) -> bool:
    """An IP address in any spelling: public providers have names, and certificates for them."""
    return ":" in host or host.rpartition(".")[2].isdigit() or host.startswith("0x")


def username_candidates(preferred: str | None, random_digits: Callable[[int], str]) -> Iterator[str]:
    """Names for somebody new, best first: the name they go by elsewhere, the same with a number, any name at all.

    Never made from an address or a real name: usernames are public, and those are theirs to publish.
    """
    base = _as_username(preferred or "")
    if is_username(base) and not is_reserved(base):
        yield base
        for _ in range(3):
            yield f"{base[:20]}_{random_digits(4)}"
    for _ in range(5):
        yield f"user_{random_digits(10)}"


def _as_username(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")[:MAX_LENGTH]

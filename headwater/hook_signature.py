"""Stage 1 → 2 · the signature on a hook: proof that it comes from one of our ingest nodes, as it is, and just now.

The node signs everything that the receiver acts on: who it is, where it can be pulled from, when the media server fired
the hook, and the body's digest. The time of signing bounds how long a captured hook can be replayed; inside that bound
a replay changes nothing, because hooks are idempotent by (node, client id, time). Standard library only: the ingest
node's relay imports this too.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from headwater.errors import HookRejected

NODE_HEADER = "X-Headwater-Node"
PULL_BASE_HEADER = "X-Headwater-Pull-Base"
OCCURRED_AT_HEADER = "X-Headwater-Occurred-At"
TIMESTAMP_HEADER = "X-Headwater-Timestamp"
NONCE_HEADER = "X-Headwater-Nonce"
SIGNATURE_HEADER = "X-Headwater-Signature"

MAX_CLOCK_DIFFERENCE_MS = 60_000

_SIGNED_HEADERS = (NODE_HEADER, PULL_BASE_HEADER, OCCURRED_AT_HEADER, TIMESTAMP_HEADER, NONCE_HEADER)
_VERSION = "v1="
_NODE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_PULL_BASE = re.compile(r"http://[A-Za-z0-9.\[\]:-]{1,128}/[A-Za-z0-9_-]{1,64}")
_MILLISECONDS = re.compile(r"[0-9]{1,15}")
_NONCE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class HookOrigin:
    """Where and when a hook was fired. `occurred_at` is Unix milliseconds of the node's clock."""

    node: str
    pull_base: str  # http://host:port/folder, no slash at the end
    occurred_at: int


def sign(secret: bytes, origin: HookOrigin, body: bytes, *, now: int) -> dict[str, str]:
    """The headers that make `body` acceptable within a minute of `now` (Unix milliseconds)."""
    headers = {
        NODE_HEADER: origin.node,
        PULL_BASE_HEADER: origin.pull_base,
        OCCURRED_AT_HEADER: str(origin.occurred_at),
        TIMESTAMP_HEADER: str(now),
        NONCE_HEADER: secrets.token_hex(16),
    }
    values = [headers[name] for name in _SIGNED_HEADERS]
    return {**headers, SIGNATURE_HEADER: _signature(secret, values, body)}


def verify(accepted: Collection[bytes], headers: Mapping[str, str], body: bytes, *, now: int) -> HookOrigin:
    """Who sent this hook, signed with one of the secrets `accepted`. Header names in `headers` are lower case, as API Gateway
    delivers them.

    Raises HookRejected, always the same, for a missing or repeated header, a wrong signature or a time more than a
    minute off. Nothing of the request is believed, or even parsed, before the signature was found right.
    """
    values = [headers.get(name.lower(), "") for name in _SIGNED_HEADERS]
    given = headers.get(SIGNATURE_HEADER.lower(), "").encode("utf-8", "surrogatepass")
    if not any(hmac.compare_digest(_signature(secret, values, body).encode(), given) for secret in accepted):
        raise HookRejected
    node, pull_base, occurred_at, timestamp, nonce = values
    well_formed = (
        _NODE.fullmatch(node)
        and _PULL_BASE.fullmatch(pull_base)
        and _MILLISECONDS.fullmatch(occurred_at)
        and _MILLISECONDS.fullmatch(timestamp)
        and _NONCE.fullmatch(nonce)
    )
    if not well_formed or abs(now - int(timestamp)) > MAX_CLOCK_DIFFERENCE_MS:
        raise HookRejected
    return HookOrigin(node=node, pull_base=pull_base, occurred_at=int(occurred_at))


def _signature(secret: bytes, values: list[str], body: bytes) -> str:
    message = "\n".join([*values, hashlib.sha256(body).hexdigest()])
    return _VERSION + hmac.new(secret, message.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

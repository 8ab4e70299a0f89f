"""Stage 6 · signed cookies and signed queries in CloudFront's form: what is signed, and how it is written down. No keys here.

A custom policy names a URL pattern and when it stops to hold; its signature is RSA over SHA-1, the algorithm that CloudFront
takes when it is told no other (Amazon CloudFront Developer Guide, "Set signed cookies using a custom policy").
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import msgspec

POLICY_COOKIE = "CloudFront-Policy"
SIGNATURE_COOKIE = "CloudFront-Signature"
KEY_COOKIE = "CloudFront-Key-Pair-Id"

_TO_CLOUDFRONT = str.maketrans("+=/", "-_~")  # base 64 has characters that neither a URL nor a cookie can hold
_FROM_CLOUDFRONT = str.maketrans("-_~", "+=/")


@dataclass(frozen=True, slots=True)
class SignedAccess:
    """What opens `resource`, a URL ending in `*`, until `expires_at` (Unix seconds). Cookies belong under `path`."""

    path: str
    cookies: Mapping[str, str]
    expires_at: int

    @property
    def query(self) -> str:
        """The same for players without cookies: a query string for every URL under `path`."""
        return urlencode({name.removeprefix("CloudFront-"): value for name, value in self.cookies.items()}, safe="~")

    def __repr__(self) -> str:
        return f"SignedAccess(path={self.path!r}, expires_at={self.expires_at})"


def custom_policy(resource: str, expires_at: int) -> bytes:
    """The policy's JSON, without space, as it is signed and sent."""
    condition = {"DateLessThan": {"AWS:EpochTime": expires_at}}
    return msgspec.json.encode({"Statement": [{"Resource": resource, "Condition": condition}]})


def encode_for_cloudfront(raw: bytes) -> str:
    return base64.b64encode(raw).decode().translate(_TO_CLOUDFRONT)


def decode_from_cloudfront(text: str) -> bytes:
    """Raises ValueError for what is not base 64 in CloudFront's alphabet."""
    if not text.isascii() or set("+/=") & set(text):
        raise ValueError("not in CloudFront's alphabet")
    return base64.b64decode(text.translate(_FROM_CLOUDFRONT), validate=True)

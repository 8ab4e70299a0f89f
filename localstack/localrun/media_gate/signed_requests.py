"""Checks signed cookies and signed queries as CloudFront does, with the public halves of the deployment's playback keys.

After the Amazon CloudFront Developer Guide, "Serve private content with signed URLs and signed cookies": custom and canned
policies; RSA and ECDSA keys, over SHA-1 unless SHA256 is named; a signed query, where there is one, counts alone.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from headwater.domain.media_signature import custom_policy, decode_from_cloudfront

_HASHES = {"": hashes.SHA1, "SHA1": hashes.SHA1, "SHA256": hashes.SHA256}
_KEPT_VERDICTS = 4096


class _Epoch(msgspec.Struct, frozen=True):
    time: int = msgspec.field(name="AWS:EpochTime")


class _Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    before: _Epoch = msgspec.field(name="DateLessThan")
    after: _Epoch | None = msgspec.field(name="DateGreaterThan", default=None)


class _Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    condition: _Condition = msgspec.field(name="Condition")
    resource: str = msgspec.field(name="Resource", default="*")


class _Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    statement: tuple[_Statement] = msgspec.field(name="Statement")


def is_signed(url: str, query: str, cookies: str, keys: Mapping[str, str], now: int) -> bool:
    """Whether a signature opens `url` (without its query) at `now` (Unix seconds). `keys` are public PEMs by their ids."""
    claims = _claims_of_query(query) or _claims_of_cookies(cookies)
    pem = keys.get(claims.get("Key-Pair-Id", ""))
    if pem is None or "Signature" not in claims:
        return False
    try:
        sent = claims.get("Policy")
        policy = custom_policy(url, int(claims["Expires"])) if sent is None else decode_from_cloudfront(sent)
        [statement] = msgspec.json.decode(policy, type=_Policy).statement
        signature = decode_from_cloudfront(claims["Signature"])
    except (KeyError, ValueError, msgspec.DecodeError):
        return False
    condition = statement.condition
    if now >= condition.before.time or (condition.after is not None and now <= condition.after.time):
        return False
    if not _matches(statement.resource, url):
        return False
    return _verify(pem, claims.get("Hash-Algorithm", ""), policy, signature)


def _claims_of_query(query: str) -> dict[str, str]:
    claims = dict(parse_qsl(query))
    return claims if "Signature" in claims else {}


def _claims_of_cookies(header: str) -> dict[str, str]:
    try:
        cookies = SimpleCookie(header)
    except CookieError:
        return {}
    prefix = "CloudFront-"
    return {name.removeprefix(prefix): each.value for name, each in cookies.items() if name.startswith(prefix)}


@functools.lru_cache(maxsize=64)
def _pattern(resource: str) -> re.Pattern[str]:
    """`*` stands for any number of characters, `?` for exactly one."""
    return re.compile("".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in resource), re.DOTALL)


def _matches(resource: str, url: str) -> bool:
    return _pattern(resource).fullmatch(url) is not None


@functools.lru_cache(maxsize=_KEPT_VERDICTS)
def _verify(pem: str, algorithm: str, policy: bytes, signature: bytes) -> bool:
    chosen = _HASHES.get(algorithm)
    if chosen is None:
        return False
    key = load_pem_public_key(pem.encode())
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, policy, padding.PKCS1v15(), chosen())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, policy, ec.ECDSA(chosen()))
        else:
            return False
    except InvalidSignature:
        return False
    return True

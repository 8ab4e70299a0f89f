"""Stream keys: derived from a secret, never stored; checking one needs the stream's current key version and no search.

A key reads `live_<stream id>_<tag>`, where the tag is the first 160 bits of HMAC-SHA256(secret, "stream-key" | stream id |
version) in base 32. The stream id inside lets ingest find the stream with one read; the version inside the tag makes
rotating a matter of `version + 1`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from headwater.domain.ids import StreamId, is_id

_TAG_BYTES = 20  # 160 bits; 32 base-32 characters
MAX_KEY_LENGTH = 64  # nginx-rtmp truncates names at 256 bytes, silently; ours stay well below
_KEY_PATTERN = re.compile(r"^live_([0-9a-z]{22})_([a-z2-7]{32})$")


def derive_stream_key(secret: bytes, stream_id: StreamId, version: int) -> str:
    """The key with which an encoder publishes to `stream_id` while its key version is `version` (≥ 1)."""
    message = b"stream-key\x00" + stream_id.encode() + b"\x00" + str(version).encode()
    tag = hmac.new(secret, message, hashlib.sha256).digest()[:_TAG_BYTES]
    return f"live_{stream_id}_{base64.b32encode(tag).decode().lower()}"


def stream_id_of_key(key: str) -> StreamId | None:
    """The stream id that a key claims, or None for anything that does not have exactly the form of a key."""
    if len(key) > MAX_KEY_LENGTH:
        return None
    match = _KEY_PATTERN.fullmatch(key)
    if match is None or not is_id(match.group(1)):
        return None
    return StreamId(match.group(1))


def stream_key_matches(key: str, secret: bytes, stream_id: StreamId, version: int) -> bool:
    """Whether `key` is the current key of `stream_id`, compared in constant time."""
    return hmac.compare_digest(key.encode(), derive_stream_key(secret, stream_id, version).encode())

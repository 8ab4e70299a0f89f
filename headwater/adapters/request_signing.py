"""Stage 7 · AWS Signature Version 4, for the one kind of request that we send ten thousand times a second.

AWS General Reference, "Create a signed AWS API request". botocore signs the same in about a millisecond; a contract test
holds the two against each other.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_BODY_HASH = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class SigningCredentials:
    access_key: str
    secret_key: str
    token: str | None = None


class RequestSigner:
    """Signs for one service in one region. `credentials` is asked every time, for they are refreshed as they expire."""

    def __init__(self, credentials: Callable[[], SigningCredentials], region: str, service: str) -> None:
        self._credentials = credentials
        self._region = region
        self._service = service
        self._key_for: tuple[str, str] = ("", "")
        self._key = b""

    def headers(self, method: str, host: str, path: str, body_hash: str, now: datetime) -> dict[str, str]:
        """What to add to a request without a query; `path` as it is sent: all but `/` and RFC 3986's unreserved characters
        percent-encoded. `now` is in UTC."""
        credentials = self._credentials()
        moment = _written(int(now.timestamp()))
        day = moment[:8]
        signed = {"host": host, "x-amz-date": moment}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        names = ";".join(signed)
        canonical_path = path.replace("%", "%25")  # every service but S3 wants it encoded once more
        canonical_headers = "".join(f"{name}:{value}\n" for name, value in signed.items())
        canonical = f"{method}\n{canonical_path}\n\n{canonical_headers}\n{names}\n{body_hash}"
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        to_sign = f"{ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._signing_key(credentials.secret_key, day), to_sign.encode(), "sha256").hex()
        del signed["host"]
        signed["authorization"] = (
            f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return signed

    def _signing_key(self, secret_key: str, day: str) -> bytes:
        if self._key_for != (secret_key, day):
            key = f"AWS4{secret_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key_for, self._key = (secret_key, day), key
        return self._key


@functools.lru_cache(maxsize=4)
def _written(unix_seconds: int) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y%m%dT%H%M%SZ")

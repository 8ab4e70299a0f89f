"""Stage 7 · HTTP to sign-in providers: short, small and straight. Imported only where somebody signs in elsewhere.

An answer is at most MAX_ANSWER_BYTES, nothing is unpacked, no redirect is followed, no proxy or .netrc of the environment
is used. Where requests may go is decided before (`may_be_spoken_to`).
"""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Iterator

import httpx2

from headwater.errors import ProviderUnavailable

CONNECT_TIMEOUT_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 3.0
ANSWER_SECONDS = 4.0  # for a whole answer, however many pieces it comes in
MAX_ANSWER_BYTES = 256 * 1024  # Google's keys are 2 KB, a large discovery document 5


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        deadline = time.monotonic() + ANSWER_SECONDS
        for chunk in self._stream:
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise httpx2.ReadError("the answer is too long")
            if time.monotonic() > deadline:
                raise httpx2.ReadTimeout("the answer takes too long")
            yield chunk

    def close(self) -> None:
        self._stream.close()


class BoundedTransport(httpx2.BaseTransport):
    """As httpx2's own, for answers up to MAX_ANSWER_BYTES that are not compressed."""

    def __init__(self) -> None:
        self._transport = httpx2.HTTPTransport(verify=_trusted_authorities(), trust_env=False)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["Accept-Encoding"] = "identity"
        answer = self._transport.handle_request(request)
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            answer.close()
            raise httpx2.DecodingError("compressed although it was not asked for", request=request)
        assert isinstance(answer.stream, httpx2.SyncByteStream)  # noqa: S101 - the transport is synchronous
        return httpx2.Response(
            answer.status_code, headers=answer.headers, stream=_Bounded(answer.stream), extensions=answer.extensions
        )

    def close(self) -> None:
        self._transport.close()


@functools.cache
def _trusted_authorities() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)  # 90 ms of CPU, most of it for reading certificates


def timeouts() -> httpx2.Timeout:
    return httpx2.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)


def fetch_json(url: str, bearer: str | None = None) -> bytes:
    """The body of a 200 that says it is JSON. Raises ProviderUnavailable for everything else."""
    headers = {"Accept": "application/json"}
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    try:
        with httpx2.Client(transport=BoundedTransport(), timeout=timeouts(), trust_env=False) as client:
            answer = client.get(url, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ProviderUnavailable from error
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if answer.status_code != httpx2.codes.OK or not (
        media_type.endswith("json") and media_type.startswith("application/")
    ):
        raise ProviderUnavailable
    return answer.content

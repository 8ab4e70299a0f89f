"""Stage 1 → 2 · signs hooks and posts them to the HTTP API over kept-alive connections; TLS is verified."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from headwater.hook_signature import HookOrigin, sign

IDLE_CONNECTION_SECONDS = 20.0  # API Gateway and load balancers close theirs later than this
MAX_IDLE_CONNECTIONS = 32
_MAX_ANSWER_BYTES = 65_536


class HooksUnreachable(Exception):
    """No answer. The hook may or may not have been received."""


@dataclass(frozen=True, slots=True)
class HookAnswer:
    status: int
    location: str | None  # publish: the stream's new name
    deliberate: bool  # decided by our function, not by something on the way to it


class HooksApi:
    """Posts hooks to one URL; safe to use from many threads."""

    def __init__(self, url: str, signing_key: bytes, *, ipv4_only: bool = False) -> None:
        """`ipv4_only`: for who is to be seen by their IPv4 address, where the API has addresses of both kinds."""
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError("HOOKS_URL names no host")
        self._path = parts.path or "/"
        self._signing_key = signing_key
        self._connect = _connector(parts.scheme, parts.hostname, parts.port, ipv4_only=ipv4_only)
        self._idle: list[tuple[float, http.client.HTTPConnection]] = []
        self._lock = threading.Lock()

    def post(self, origin: HookOrigin, body: bytes, timeout_seconds: float) -> HookAnswer:
        """The API's answer. Raises HooksUnreachable after `timeout_seconds` of silence, or when nobody is there."""
        kept = self._take_idle()
        if kept is not None:
            try:
                return self._exchange(kept, origin, body, timeout_seconds)
            except (http.client.RemoteDisconnected, ConnectionError):
                pass  # it was closed while idle; hooks are idempotent, so one more try on a new one is safe
            except (OSError, http.client.HTTPException) as error:
                raise HooksUnreachable from error
        try:
            return self._exchange(self._connect(timeout_seconds), origin, body, timeout_seconds)
        except (OSError, http.client.HTTPException) as error:
            raise HooksUnreachable from error

    def _exchange(
        self, connection: http.client.HTTPConnection, origin: HookOrigin, body: bytes, timeout_seconds: float
    ) -> HookAnswer:
        headers = sign(self._signing_key, origin, body, now=time.time_ns() // 1_000_000)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        reusable = False
        try:
            if connection.sock is not None:
                connection.sock.settimeout(timeout_seconds)
            connection.request("POST", self._path, body, headers)
            response = connection.getresponse()
            reusable = len(response.read(_MAX_ANSWER_BYTES)) < _MAX_ANSWER_BYTES and not response.will_close
            return HookAnswer(
                status=response.status,
                location=response.getheader("Location"),
                deliberate=response.getheader("X-Headwater-Decision") is not None,
            )
        finally:
            if reusable:
                self._keep(connection)
            else:
                connection.close()

    def _take_idle(self) -> http.client.HTTPConnection | None:
        with self._lock:
            while self._idle:
                since, connection = self._idle.pop()
                if time.monotonic() - since < IDLE_CONNECTION_SECONDS:
                    return connection
                connection.close()
        return None

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < MAX_IDLE_CONNECTIONS:
                self._idle.append((time.monotonic(), connection))
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            for _, connection in self._idle:
                connection.close()
            self._idle.clear()


def _connector(
    scheme: str, host: str, port: int | None, *, ipv4_only: bool
) -> Callable[[float], http.client.HTTPConnection]:
    # A socket that is bound to an IPv4 address connects to no other kind: the next address of the name is tried.
    source = ("0.0.0.0", 0) if ipv4_only else None  # noqa: S104 # nosec B104 - nobody listens there
    if scheme == "https":
        context = ssl.create_default_context()
        return lambda timeout: http.client.HTTPSConnection(
            host, port, timeout=timeout, context=context, source_address=source
        )
    return lambda timeout: http.client.HTTPConnection(host, port, timeout=timeout, source_address=source)

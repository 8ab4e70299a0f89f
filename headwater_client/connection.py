"""Client · one call: its token, its key, its repetition when the answer was lost, its answer or its problem."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from headwater_client.answers import Tokens
from headwater_client.problems import ApiProblem, problem_in, unexpected

ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.2  # before the second attempt; then twice as long each time
RENEWED_BEFORE_SECONDS = 30.0  # so that no token expires on its way
LONGEST_WAIT_SECONDS = 5  # for the first copy of a request that is still being carried out

T = TypeVar("T")
Signed = TypeVar("Signed", bound=Tokens)
Reader = Callable[[Any], T]


def path(*parts: str) -> str:
    """An address below `/v1`. Each part is one segment, whatever is in it."""
    if not all(part.strip(".") for part in parts):
        raise ValueError("an id or a name is empty")
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def reader(kind: type[T]) -> Reader[T]:
    return lambda value: msgspec.convert(value, kind)


class Connection:
    """Speaks to one API for one person, a personal access token, or nobody. Threads may share it.

    Whoever signed in stays so: the access token is renewed before it expires, and when it is refused. A safe call, and an
    unsafe one that carries an `Idempotency-Key`, is repeated when its answer is lost; it is carried out once.
    """

    def __init__(self, http: httpx.Client, token: str | None = None) -> None:
        self._http = http
        self._token = token
        self._tokens: Tokens | None = None
        self._renew_at = 0.0  # by the monotonic clock
        self._lock = threading.RLock()  # a refresh token works once: two threads must not both spend it

    @property
    def tokens(self) -> Tokens | None:
        """What the last sign-in or refresh brought: keep its `refresh_token` to go on later."""
        return self._tokens

    def signed_in(self, tokens: Tokens) -> None:
        with self._lock:
            self._tokens = tokens
            self._token = tokens.access_token
            self._renew_at = time.monotonic() + tokens.expires_in - RENEWED_BEFORE_SECONDS

    def sign_in(self, read: Reader[Signed], address: str, body: Any) -> Signed:
        """A call that nobody makes, and that makes them somebody."""
        tokens = self.read(self.exchange("POST", address, body), read)
        self.signed_in(tokens)
        return tokens

    def signed_out(self) -> None:
        with self._lock:
            self._tokens = self._token = None

    def refresh(self, refresh_token: str) -> Tokens:
        """Trades the token, with a key of its own: should the answer be lost, the same question brings it again."""
        with self._lock:
            answer = self.exchange("POST", path("auth", "refresh"), {"refresh_token": refresh_token}, key=True)
            tokens = self.read(answer, reader(Tokens))
            self.signed_in(tokens)
            return tokens

    def fetch(
        self,
        read: Reader[T],
        method: str,
        address: str,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        accept: tuple[int, ...] = (),
    ) -> T:
        """The answer, also of a status in `accept`."""
        return self.read(self.call(method, address, body, query), read, accept)

    def send(self, method: str, address: str, body: Any = None) -> None:
        """A call that is answered without a body."""
        answer = self.call(method, address, body)
        if not answer.is_success:
            raise problem_in(answer)

    def text(self, address: str) -> str:
        """An answer that is a file of text."""
        answer = self.call("GET", address)
        if not answer.is_success:
            raise problem_in(answer)
        return answer.text

    def pages(self, read: Reader[T], address: str, query: Mapping[str, Any] | None = None) -> Iterator[T]:
        """Every item of a list, one page after the other, each when it is needed."""
        cursor: str | None = None
        while True:
            answer = self.call("GET", address, query={**(query or {}), "cursor": cursor})
            items, cursor = self.read(answer, _page_of(read))
            yield from items
            if cursor is None:
                return

    @staticmethod
    def read(answer: httpx.Response, read: Reader[T], accept: tuple[int, ...] = ()) -> T:
        if not answer.is_success and answer.status_code not in accept:
            raise problem_in(answer)
        try:
            return read(msgspec.json.decode(answer.content))
        except msgspec.MsgspecError as error:
            raise unexpected(answer, error) from error

    def call(
        self, method: str, address: str, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        """The answer, whatever its status: of one call in the name of whoever is signed in."""
        key = str(uuid.uuid4()) if method != "GET" and not address.startswith("/v1/auth/") else None
        token = self._current_token()
        if token is None:
            return self.exchange(method, address, body, query)
        answer = self.exchange(method, address, body, query, token=token, key=key)
        if _refuses_token(answer) and (fresh := self._another_token(token)) is not None:
            answer = self.exchange(method, address, body, query, token=fresh, key=key)
        return answer

    def exchange(
        self,
        method: str,
        address: str,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        key: str | bool | None = None,
    ) -> httpx.Response:
        """One request, repeated if it may be. `key`: True makes one up."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if key:
            headers["Idempotency-Key"] = key if isinstance(key, str) else str(uuid.uuid4())
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = self._http.build_request(
            method,
            address,
            content=None if body is None else msgspec.json.encode(body),
            params={name: _in_a_query(value) for name, value in (query or {}).items() if value is not None} or None,
            headers=headers,
        )
        repeatable = method == "GET" or bool(key)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._http.send(request, follow_redirects=False)
            except httpx.TransportError:
                if not repeatable or attempt == ATTEMPTS:
                    raise
                time.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
                continue
            if attempt < ATTEMPTS and answer.status_code == HTTPStatus.CONFLICT and key:
                problem = problem_in(answer)
                if problem.code == "request_in_progress":
                    time.sleep(min(problem.retry_after or 1, LONGEST_WAIT_SECONDS))
                    continue
            return answer
        raise AssertionError("every attempt answers or raises")

    def _current_token(self) -> str | None:
        with self._lock:
            if self._tokens is not None and time.monotonic() >= self._renew_at:
                return self._renewed(self._tokens)
            return self._token

    def _another_token(self, refused: str) -> str | None:
        """A token other than the one refused: another thread's newer one, or a fresh one. None when there is no way to one."""
        with self._lock:
            if self._token != refused:
                return self._token
            return None if self._tokens is None else self._renewed(self._tokens)

    def _renewed(self, tokens: Tokens) -> str:
        try:
            return self.refresh(tokens.refresh_token).access_token
        except ApiProblem as problem:
            if problem.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                self.signed_out()  # the session is over
            raise


class _Page(msgspec.Struct):
    items: list[Any]
    next_cursor: str | None


def _page_of(read: Reader[T]) -> Reader[tuple[list[T], str | None]]:
    def read_page(value: Any) -> tuple[list[T], str | None]:
        page = msgspec.convert(value, _Page)
        return [read(item) for item in page.items], page.next_cursor

    return read_page


def _refuses_token(answer: httpx.Response) -> bool:
    return answer.status_code == HTTPStatus.UNAUTHORIZED and problem_in(answer).code == "unauthenticated"


def _in_a_query(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)

"""Stage 7 · `Idempotency-Key`: a request that comes again is answered again, and carried out once.

As draft-ietf-httpapi-idempotency-key-header has it: the same key with another body is refused, and so is a copy that comes
while the first is being carried out. Only what succeeded is kept: a refused request changed nothing, and may be tried again.
Signing in and up are left out: whoever calls is nobody yet, and `refresh` has retries of its own.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.api.use_cases.sessions import check_standing
from functions.api.wiring import Services
from headwater.adapters.answered_requests import KeptAnswer, KeyedRequest
from headwater.domain.personal_tokens import is_personal_token, is_well_formed
from headwater.errors import AccountSuspended, DependencyUnavailable, FieldError, InvalidInput, Unauthenticated
from headwater.observability import count, logger

HEADER = "Idempotency-Key"
REPLAYED = ("Idempotent-Replayed", "true")
UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
LEFT_OUT = "/v1/auth/"
LONGEST_CALL_MS = 15_000  # the function's time-out, where its runtime does not say how much of it is left
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class IdempotencyGuard:
    """ASGI middleware inside RequestGuard, which hands it the whole body in one message and renders what it raises."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        key = headers.get(HEADER)
        if key is None or scope["method"] not in UNSAFE_METHODS or scope["path"].startswith(LEFT_OUT):
            await self._app(scope, receive, send)
            return
        if _KEY.fullmatch(key) is None:
            raise InvalidInput(
                errors=(FieldError(HEADER, "Send 1 to 255 visible ASCII characters, a UUID for example."),)
            )
        token = _bearer_token(headers)
        if token is None:  # there is nobody whose requests could be told from those of others
            await self._app(scope, receive, send)
            return
        asked = await receive()
        caller = self._caller(token)
        call = f"{scope['method']} {scope['path']}?{scope['query_string'].decode('latin-1')}"
        request = KeyedRequest(caller, call, key, asked.get("body", b""))
        kept = self._services.answered_requests.begin(request, _milliseconds_left(scope))
        answer = await self._carry_out(request, scope, asked, receive) if kept is None else kept
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        if kept is not None:
            raw.append((REPLAYED[0].lower().encode(), REPLAYED[1].encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": answer.body})

    async def _carry_out(self, request: KeyedRequest, scope: Scope, asked: Message, receive: Receive) -> KeptAnswer:
        pending = [asked]
        start: Message = {}
        chunks: list[bytes] = []

        async def again() -> Message:
            return pending.pop() if pending else await receive()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                chunks.append(message.get("body", b""))

        try:
            await self._app(scope, again, collect)
        except BaseException:
            self._settle(request, None)
            raise
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        answer = KeptAnswer(start["status"], headers, b"".join(chunks))
        self._settle(request, answer if answer.status < 300 else None)
        return answer

    def _settle(self, request: KeyedRequest, answer: KeptAnswer | None) -> None:
        """What was done is done: that it could not be noted is no reason to tell the caller otherwise."""
        try:
            if answer is None:
                self._services.answered_requests.abandon(request)
            else:
                self._services.answered_requests.finish(request, answer)
        except DependencyUnavailable:
            logger().exception("answer not kept")
            count("AnswerNotKept")

    def _caller(self, token: str) -> str:
        """Whom the token speaks for, as of now: nobody is answered again after their session has ended.

        What a personal token may do is asked when a request is carried out; one token is not answered what another was.
        """
        with self._services.unit_of_work() as unit:
            if is_personal_token(token):
                shown = unit.personal_tokens.show(token, datetime.now(UTC)) if is_well_formed(token) else None
                if shown is None:
                    raise Unauthenticated
                if shown.standing.suspended:
                    raise AccountSuspended
                return f"token {shown.token_id}"
            identity = self._services.tokens.verify(token)
            check_standing(unit.sessions, identity)
            return f"user {identity.user_id}"


def _bearer_token(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _milliseconds_left(scope: Scope) -> int:
    context = scope.get("aws.context")
    return int(context.get_remaining_time_in_millis()) if context is not None else LONGEST_CALL_MS

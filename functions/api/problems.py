"""Stage 7 · the one table from errors to HTTP answers, all of them `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Scope

from headwater import errors
from headwater.errors import FieldError, HeadwaterError, InvalidInput
from headwater.observability import count, logger

PROBLEM_TYPE = "application/problem+json"

# Looked up by class, then by its bases. What only other transports meet is ours to explain if it ever comes here.
STATUS_OF: dict[type[HeadwaterError], HTTPStatus] = {
    HeadwaterError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.MalformedBody: HTTPStatus.BAD_REQUEST,
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.SignInFailed: HTTPStatus.BAD_REQUEST,
    errors.SignInDenied: HTTPStatus.FORBIDDEN,
    errors.PublishRefused: HTTPStatus.FORBIDDEN,
    errors.HookRejected: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.LinkInvalid: HTTPStatus.GONE,
    errors.MailRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.LeaseLost: HTTPStatus.CONFLICT,
    errors.ObjectChanged: HTTPStatus.CONFLICT,
    errors.MediaFormatError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SourceUnplayable: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TranscodeFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.BadFrame: HTTPStatus.BAD_REQUEST,
    errors.UnknownAction: HTTPStatus.BAD_REQUEST,
    errors.NotJoined: HTTPStatus.CONFLICT,
    errors.TooLong: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.StateContended: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DependencyUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
_RETRY_UNAVAILABLE_SECONDS = 5


class FieldProblem(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """What every refusal and failure looks like. `code` is stable; programs should look at nothing else."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem] | None = None


def status_of(error: HeadwaterError) -> HTTPStatus:
    return next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)


def problem(error: HeadwaterError) -> JSONResponse:
    status = status_of(error)
    body: dict[str, Any] = {
        "type": f"urn:headwater:problem:{error.code}",
        "title": status.phrase,
        "status": status.value,
        "detail": error.detail,
        "code": error.code,
    }
    if isinstance(error, InvalidInput):
        body["errors"] = [{"field": item.field, "message": item.message} for item in error.errors]
    return JSONResponse(body, status.value, _headers(error, status), PROBLEM_TYPE)


def _headers(error: HeadwaterError, status: HTTPStatus) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    retry_after = error.retry_after_seconds
    if retry_after is None and status is HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after = _RETRY_UNAVAILABLE_SECONDS
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="headwater"'
    return headers


def unexpected(error: Exception, scope: Scope) -> JSONResponse:
    """The answer to our own mistakes. The log gets the stack, the client learns nothing of it."""
    route = getattr(scope.get("route"), "path", None)  # with its parameters' names, not what was sent for them
    request_id = scope.get("aws.event", {}).get("requestContext", {}).get("requestId")
    logger().error(
        "unhandled error", exc_info=error, extra={"method": scope["method"], "route": route, "request_id": request_id}
    )
    count("UnhandledError")
    return problem(HeadwaterError())


def answer_with_problems(app: FastAPI) -> None:
    """Give `app` the handlers that turn every exception a route can raise into a problem."""

    async def on_headwater_error(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HeadwaterError)  # noqa: S101 - how it was registered
        if status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger().warning("request failed", exc_info=error, extra={"code": error.code})
            count("RequestFailed")
        return problem(error)

    async def on_validation_error(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - how it was registered
        return problem(_explained(error.errors()))

    async def on_http_exception(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - how it was registered
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            answer = problem(errors.MethodNotAllowed())
            answer.headers.update(error.headers or {})  # Allow
            return answer
        return problem(errors.NotFound() if error.status_code == HTTPStatus.NOT_FOUND else errors.MalformedBody())

    app.add_exception_handler(HeadwaterError, on_headwater_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_exception)


def _explained(found: Sequence[Any]) -> HeadwaterError:
    """Pydantic's findings in our words. What was sent is not repeated: it may be a password."""
    if any(item["type"] == "json_invalid" for item in found):
        return errors.MalformedBody()
    return InvalidInput(errors=tuple(FieldError(_field(item["loc"]), _message(item)) for item in found))


def _field(location: Sequence[str | int]) -> str:
    inside = location[1:] if location and location[0] in ("body", "query", "path", "header") else location
    return ".".join(str(part) for part in (inside or location))


def _message(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "There is no such field."
    message = str(item["msg"]).removeprefix("Value error, ")
    return message if message.endswith(".") else f"{message}."

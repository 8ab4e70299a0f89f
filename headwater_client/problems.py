"""Client · what a refused or failed call raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

PROBLEM_TYPE = "application/problem+json"


@dataclass(frozen=True)
class FieldProblem:
    field: str
    message: str


class ApiProblem(Exception):
    """The API's answer was not what was asked for. Programs look at `code`, which is stable; `detail` is for people.

    `retry_after` is in seconds, where the answer names it. What did not come from the API itself (a gateway's page, for
    example) has the code `unexpected_answer`. That there was no answer at all is an `httpx.TransportError`.
    """

    def __init__(
        self, status: int, code: str, detail: str, errors: tuple[FieldProblem, ...] = (), retry_after: int | None = None
    ) -> None:
        fields = "".join(f"; {error.field}: {error.message}" for error in errors)
        super().__init__(f"{status} {code}: {detail}{fields}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after


class _Problem(msgspec.Struct):
    """RFC 9457, and what Headwater adds to it."""

    code: str
    detail: str
    errors: list[FieldProblem] | None = None


def problem_in(answer: httpx.Response) -> ApiProblem:
    said = answer.headers.get("retry-after", "")
    retry_after = int(said) if said.isascii() and said.isdigit() else None
    if answer.headers.get("content-type", "").partition(";")[0] == PROBLEM_TYPE:
        try:
            body = msgspec.json.decode(answer.content, type=_Problem)
        except msgspec.DecodeError:
            pass
        else:
            return ApiProblem(answer.status_code, body.code, body.detail, tuple(body.errors or ()), retry_after)
    return ApiProblem(answer.status_code, "unexpected_answer", answer.reason_phrase, retry_after=retry_after)


def unexpected(answer: httpx.Response, why: Any) -> ApiProblem:
    return ApiProblem(answer.status_code, "unexpected_answer", str(why))

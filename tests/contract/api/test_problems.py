"""Every error has one place in the HTTP table, and every refusal one shape."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from functions.api.problems import STATUS_OF, problem, status_of
from headwater import errors
from headwater.errors import FieldError, HeadwaterError, InvalidInput, RateLimited


def kinds(base: type[HeadwaterError] = HeadwaterError) -> Iterator[type[HeadwaterError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


ROOT = Path(__file__).parents[3]
# What only encoders, workers, queues and chat meet. Whatever else there is may be the answer to a request.
NOT_OF_THE_API = {
    "publish_refused", "already_publishing", "too_many_broadcasts", "hook_rejected",
    "lease_lost", "media_format", "misaligned_tracks", "ffmpeg_unavailable", "source_unplayable", "transcode_failed",
    "object_changed", "mail_refused", "bad_frame", "unknown_action", "not_joined", "too_long",
    "banned", "timed_out", "followers_only", "account_too_young", "emote_only", "blocked_terms", "not_unique", "slow_mode",
}  # fmt: skip
KINDS = sorted(set(kinds()), key=lambda kind: kind.code + kind.__qualname__)


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_every_error_has_an_answer_of_its_own(kind: type[HeadwaterError]) -> None:
    nearest = next(base for base in kind.__mro__ if base in STATUS_OF)
    assert nearest is not HeadwaterError, f"{kind.__name__} is not in the table"
    answer = problem(kind())
    assert answer.media_type == "application/problem+json"
    assert answer.status_code == status_of(kind())
    assert answer.status_code >= 400


def test_every_error_has_a_code_that_no_other_has() -> None:
    codes = [kind.__dict__["code"] for kind in set(kinds()) if "code" in kind.__dict__]
    assert len(codes) == len(set(codes))


def codes_of_the_api() -> dict[str, int]:
    answered: list[type[HeadwaterError]] = [HeadwaterError, *KINDS]
    found = {kind.code: status_of(kind()).value for kind in answered}
    assert set(found) >= NOT_OF_THE_API
    return {code: status for code, status in found.items() if code not in NOT_OF_THE_API}


def test_every_code_is_documented_with_its_status() -> None:
    section = (ROOT / "docs/api.md").read_text().partition("### Errors\n")[2].partition("\n## ")[0]
    documented = {
        code: int(status)
        for status, cell in re.findall(r"^\| (\d{3}) \| (.*) \|$", section, re.MULTILINE)
        for code in re.findall(r"`([a-z_]+)`(?! names)", cell)
    }
    assert documented == codes_of_the_api()


def test_every_code_is_met_by_a_test_of_the_api() -> None:
    folders = (ROOT / "tests/contract/api", ROOT / "tests/integration/api")
    tests = "".join(
        path.read_text() for folder in folders for path in folder.rglob("test_*.py") if path != Path(__file__)
    )
    assert {code for code in codes_of_the_api() if f'"{code}"' not in tests} == set()


def test_a_problem_says_what_when_and_which_field() -> None:
    answer = problem(InvalidInput(errors=(FieldError("tags.3", "Too long."),)))
    assert answer.status_code == 422
    assert json.loads(bytes(answer.body)) == {
        "type": "urn:headwater:problem:invalid_input",
        "title": HTTPStatus.UNPROCESSABLE_ENTITY.phrase,
        "status": 422,
        "detail": "The request is not valid. See `errors` for each field.",
        "code": "invalid_input",
        "errors": [{"field": "tags.3", "message": "Too long."}],
    }


def test_who_must_wait_is_told_how_long() -> None:
    assert problem(RateLimited(retry_after_seconds=17)).headers["retry-after"] == "17"
    assert problem(errors.DependencyUnavailable()).headers["retry-after"] == "5"


def test_who_must_sign_in_is_told_how() -> None:
    assert problem(errors.InvalidCredentials()).headers["www-authenticate"].startswith("Bearer")

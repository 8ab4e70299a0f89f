"""The hook function's answers, as the relay and nginx read them."""

from __future__ import annotations

import base64

import pytest

from functions.ingest_hooks.ingest_event import PublishAccepted, Verdict
from functions.ingest_hooks.wire import MAX_BODY_BYTES, answer, answer_error, read_request, status_of
from headwater import errors
from headwater.domain.ids import BroadcastId, new_id
from headwater.errors import HeadwaterError, HookRejected, PayloadTooLarge


def every_error(kind: type[HeadwaterError] = HeadwaterError) -> list[type[HeadwaterError]]:
    return [kind, *(deeper for sub in kind.__subclasses__() for deeper in every_error(sub))]


def test_an_accepted_publish_is_a_redirect_to_a_bare_name() -> None:
    answered = answer(PublishAccepted("b-1-00", BroadcastId(new_id())))
    assert (answered["statusCode"], answered["headers"]["Location"]) == (302, "b-1-00")


def test_verdicts_are_204_and_403() -> None:
    assert answer(Verdict.GO_ON)["statusCode"] == 204
    assert answer(Verdict.DROP)["statusCode"] == 403


@pytest.mark.parametrize("kind", every_error())
def test_every_error_has_an_answer_and_none_lets_anybody_in(kind: type[HeadwaterError]) -> None:
    answered = answer_error(kind())
    assert 400 <= answered["statusCode"] < 600
    assert answered["body"] == ""
    assert "Location" not in answered["headers"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.HookRejected(), 401),
        (errors.PublishRefused(), 403),
        (errors.AlreadyPublishing(), 403),
        (errors.StateContended(), 503),
        (errors.DependencyUnavailable(), 503),
        (errors.PayloadTooLarge(), 413),
        (errors.HeadwaterError(), 500),
    ],
)
def test_what_may_pass_is_a_5xx_and_what_will_not_is_a_4xx(error: HeadwaterError, status: int) -> None:
    assert status_of(error) == status


def test_a_body_is_the_same_bytes_in_either_encoding() -> None:
    plain = read_request({"headers": {"a": "b"}, "body": "app=live&x=%ff", "isBase64Encoded": False})
    encoded = read_request(
        {"headers": {"a": "b"}, "body": base64.b64encode(b"app=live&x=%ff").decode(), "isBase64Encoded": True}
    )
    assert plain == encoded


def test_a_missing_body_is_an_empty_one() -> None:
    assert read_request({"headers": {}}).body == b""
    assert read_request({"headers": None, "body": None}).headers == {}


@pytest.mark.parametrize("text", ["=", "a", "!!!!", "YWJj\n", "é"])
def test_broken_base_64_is_rejected(text: str) -> None:
    with pytest.raises(HookRejected):
        read_request({"headers": {}, "body": text, "isBase64Encoded": True})


def test_more_than_8_kilobytes_are_refused_in_either_encoding() -> None:
    big = b"x" * (MAX_BODY_BYTES + 1)
    for event in (
        {"headers": {}, "body": big.decode()},
        {"headers": {}, "body": base64.b64encode(big).decode(), "isBase64Encoded": True},
        {"headers": {}, "body": "é" * (MAX_BODY_BYTES - 1)},
        {"headers": {}, "body": "x" * 1_000_000},
    ):
        with pytest.raises(PayloadTooLarge):
            read_request(event)

"""What operators are told: structured, counted, and without a stream key anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from headwater.domain.ids import StreamId, new_id
from headwater.domain.mail_links import new_link_token
from headwater.domain.refresh_tokens import new_refresh_token
from headwater.domain.stream_key import derive_stream_key
from headwater.observability import count, emits_metrics, flush_metrics, logger, metrics, redact

KEY = derive_stream_key(b"x" * 32, StreamId(new_id()), 1)


@pytest.fixture(autouse=True)
def fresh_logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # A name of its own, for the handler of a logger that was made before writes to where stdout led then.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"test_observability_{new_id()}")
    for made in (logger, metrics):
        made.cache_clear()
    yield
    metrics().clear_metrics()
    for made in (logger, metrics):
        made.cache_clear()


def test_no_log_line_contains_a_stream_key_wherever_it_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    logger().info(f"publish of {KEY}")
    logger().info("publish", extra={"stream_name": KEY, "nested": {"args": [f"?{KEY}&x=1"]}})
    logger().error("refused", exc_info=ValueError(KEY))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(KEY not in line and "[redacted]" in line and json.loads(line) for line in lines)


@pytest.mark.parametrize(
    "token",
    [
        new_refresh_token(),
        new_link_token(),
        "hwp_" + "a" * 38,
        "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl",
    ],
    ids=["refresh token", "link token", "personal token", "access token"],
)
def test_no_log_line_contains_a_token(token: str, capsys: pytest.CaptureFixture[str]) -> None:
    logger().info(f"Authorization: Bearer {token}", extra={"body": {"token": token}})
    logger().error("refused", exc_info=ValueError(f"https://headwater.example/account/reset#{token}"))
    lines = capsys.readouterr().out.splitlines()
    assert all(token not in line and "[redacted]" in line and json.loads(line) for line in lines)


def test_text_without_a_key_is_left_as_it_is() -> None:
    for text in ("", "live_", "goes live_at 12:00", "live_" + "0" * 22, "hwr_ and eyJ", '{"a": "é"}'):
        assert redact(text) == text


def test_what_a_handler_counts_is_written_even_when_it_raises(capsys: pytest.CaptureFixture[str]) -> None:
    @emits_metrics
    def handler() -> None:
        count("Tried")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        handler()
    (line,) = capsys.readouterr().out.splitlines()
    written = json.loads(line)
    assert written["Tried"] == [1.0]
    assert written["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Headwater"


def test_nothing_is_written_when_nothing_was_counted(capsys: pytest.CaptureFixture[str]) -> None:
    flush_metrics()
    assert capsys.readouterr().out == ""

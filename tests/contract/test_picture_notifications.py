"""What S3 writes to the queue of uploads, as the maker of avatars reads it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from functions.picture_maker.wire import uploaded_keys
from headwater.domain.avatars import upload_of

NOTIFICATION = Path(__file__).parents[1] / "events/s3_avatar_uploaded.json"


def test_a_notification_names_what_was_uploaded() -> None:
    (key,) = uploaded_keys({"body": NOTIFICATION.read_text()})
    assert upload_of(key) == ("1m81s9s6ks3n6qtcvpf3wq", "1m81s9sbmabs493gmc61zh")


def test_keys_are_written_as_in_a_form() -> None:
    body = {"Records": [{"s3": {"object": {"key": "avatars/a+b/%C3%A9%2B"}}}]}
    assert uploaded_keys({"body": json.dumps(body)}) == ["avatars/a b/é+"]


def test_the_event_by_which_s3_tries_the_queue_names_nothing() -> None:
    tried = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-22T14:00:00.000Z", "Bucket": "uploads"}
    assert uploaded_keys({"body": json.dumps(tried)}) == []


@pytest.mark.parametrize("body", ["", "not json", '{"Records": [{}]}', '{"Records": 1}', "[]"])
def test_anything_else_is_unreadable_and_ends_among_the_dead_letters(body: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        uploaded_keys({"body": body})

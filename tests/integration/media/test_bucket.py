"""Objects in S3: conditions, deadlines, and what happens when answers get lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError

from headwater.adapters import aws
from headwater.adapters import bucket as bucket_adapter
from headwater.adapters.bucket import Bucket, ObjectVersion
from headwater.errors import DependencyUnavailable, ObjectChanged

Fault = Callable[[Any], AWSResponse | None]


class Faults:
    """What the next requests meet instead of S3, one each; `forever` is met by all when there is nothing else."""

    def __init__(self) -> None:
        self.next: list[Fault] = []
        self.forever: Fault | None = None
        self.requests = 0

    def __call__(self, request: Any, **_: Any) -> AWSResponse | None:
        self.requests += 1
        fault = self.next.pop(0) if self.next else self.forever
        return fault(request) if fault else None


class Body:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def stream(self, *_: Any, **__: Any) -> Any:
        yield self.content


def answers(status: int, code: str) -> Fault:
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    return lambda request: AWSResponse(request.url, status, HTTPHeaders(), Body(body))


def times_out(request: Any) -> AWSResponse | None:
    raise ReadTimeoutError(endpoint_url=request.url)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch, bucket: str) -> Faults:
    found = Faults()
    make = bucket_adapter._client

    def make_faulty() -> Any:
        client: Any = make()
        client.meta.events.register_first("before-send.s3", found)
        return client

    monkeypatch.setattr(bucket_adapter, "_client", make_faulty)
    return found


@pytest.fixture
def store(bucket: str) -> Bucket:
    return Bucket(bucket)


def write(store: Bucket, key: str, body: bytes, etag: str | None, broadcast: str = "b1", **options: Any) -> str:
    metadata = {"broadcast-id": broadcast}
    return store.put_if_match(key, body, "text/plain", "max-age=1", etag, metadata=metadata, **options)


def test_what_was_put_can_be_read_with_its_type_and_cache_header(store: Bucket, bucket: str) -> None:
    store.put("a/1.m4s", b"media", "video/mp4", "immutable", metadata={"broadcast-id": "b1"})
    assert store.get("a/1.m4s") == b"media"
    answer = aws.client("s3").head_object(Bucket=bucket, Key="a/1.m4s")
    assert (answer["ContentType"], answer["CacheControl"]) == ("video/mp4", "immutable")
    assert store.head("a/1.m4s") == ObjectVersion(answer["ETag"], {"broadcast-id": "b1"})


def test_how_long_a_version_holds_is_kept_with_it(store: Bucket, bucket: str) -> None:
    write(store, "live", b"1", None, expires_at=datetime(2026, 11, 22, 13, 0, 7, 900_000, tzinfo=UTC))
    answer = aws.client("s3").get_object(Bucket=bucket, Key="live")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["expires"] == "Sun, 22 Nov 2026 13:00:07 GMT"


def test_what_is_not_there_is_none(store: Bucket) -> None:
    assert store.get("nothing") is None
    assert store.head("nothing") is None


def test_a_chain_of_conditional_writes_goes_through_and_a_second_writer_does_not(store: Bucket) -> None:
    first = write(store, "live", b"1", None)
    second = write(store, "live", b"2", first)
    for stale in (None, first):
        with pytest.raises(ObjectChanged):
            write(store, "live", b"other", stale)
    assert store.get("live") == b"2"
    assert store.head("live") == ObjectVersion(second, {"broadcast-id": "b1"})


def test_a_version_that_was_removed_is_not_written_again(store: Bucket) -> None:
    etag = write(store, "live", b"1", None)
    assert store.delete_if_match("live", etag)
    with pytest.raises(ObjectChanged):
        write(store, "live", b"2", etag)
    assert store.get("live") is None


def test_only_the_version_that_was_seen_is_removed(store: Bucket) -> None:
    first = write(store, "live", b"1", None)
    second = write(store, "live", b"2", first)
    assert not store.delete_if_match("live", first)
    assert store.get("live") == b"2"
    assert store.delete_if_match("live", second)
    assert store.delete_if_match("live", second), "it is gone, which is what was asked for"


def test_more_keys_than_a_page_are_listed_and_removed(store: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_adapter, "PAGE", 3)
    keys = [f"s/b/{number:05d}" for number in range(8)]
    for key in keys:
        store.put(key, b"", "text/plain", "no-store")
    store.put("s/c/other", b"", "text/plain", "no-store")
    assert list(store.list("s/b/")) == keys
    assert store.delete_many(store.list("s/b/")) == len(keys)
    assert list(store.list("")) == ["s/c/other"]


@pytest.mark.parametrize(
    "fault",
    [
        answers(503, "SlowDown"),
        answers(500, "InternalError"),
        answers(400, "RequestTimeout"),
        answers(409, "ConditionalRequestConflict"),
        times_out,
    ],
)
def test_a_passing_failure_is_tried_again(store: Bucket, faults: Faults, fault: Fault) -> None:
    faults.next = [fault, fault]
    store.put("key", b"body", "text/plain", "no-store")
    assert store.get("key") == b"body"


def test_past_the_deadline_it_says_that_s3_is_not_available(store: Bucket, faults: Faults) -> None:
    store.head("key")  # makes the client, which takes its time
    faults.forever = answers(503, "SlowDown")
    calls: list[Callable[[], Any]] = [
        lambda: store.put("key", b"", "text/plain", "no-store", deadline_seconds=0.3),
        lambda: write(store, "key", b"", None, deadline_seconds=0.3),
        lambda: store.get("key", deadline_seconds=0.3),
        lambda: store.head("key", deadline_seconds=0.3),
        lambda: store.delete_if_match("key", '"etag"', deadline_seconds=0.3),
        lambda: list(store.list("", deadline_seconds=0.3)),
        lambda: store.delete_many(["key"], deadline_seconds=0.3),
    ]
    for call in calls:
        with pytest.raises(DependencyUnavailable):
            call()
    assert faults.requests > len(calls) + 1, "they tried more than once"


def test_a_refusal_for_good_is_not_tried_again(store: Bucket, faults: Faults) -> None:
    faults.forever = answers(403, "AccessDenied")
    with pytest.raises(DependencyUnavailable):
        store.put("key", b"", "text/plain", "no-store")
    assert faults.requests == 1


def test_a_write_whose_answer_was_lost_is_recognised_as_ours(store: Bucket, faults: Faults, bucket: str) -> None:
    first = write(store, "live", b"1", None)
    other = Bucket(bucket)

    def written_but_lost(request: Any) -> AWSResponse | None:
        faults.forever, forever = None, faults.forever
        write(other, "live", b"2", first)
        faults.forever = forever
        return times_out(request)

    faults.next = [written_but_lost]
    etag = write(store, "live", b"2", first)
    assert store.head("live") == ObjectVersion(etag, {"broadcast-id": "b1"})


def test_a_lost_answer_does_not_make_another_writers_version_ours(store: Bucket, faults: Faults, bucket: str) -> None:
    first = write(store, "live", b"1", None)
    other = Bucket(bucket)

    def overtaken(request: Any) -> AWSResponse | None:
        write(other, "live", b"2", first, broadcast="b2")  # the same bytes, of another broadcast
        return times_out(request)

    faults.next = [overtaken]
    with pytest.raises(ObjectChanged):
        write(store, "live", b"2", first)


def test_a_batch_of_removals_that_was_partly_refused_is_asked_for_again(store: Bucket, faults: Faults) -> None:
    store.put("key", b"", "text/plain", "no-store")
    partly = b"<DeleteResult><Error><Key>key</Key><Code>InternalError</Code></Error></DeleteResult>"
    faults.next = [lambda request: AWSResponse(request.url, 200, HTTPHeaders(), Body(partly))]
    assert store.delete_many(["key"]) == 1
    assert store.get("key") is None

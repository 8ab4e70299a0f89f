"""The pages as a resource of a stack: published, published anew, and gone with it; and what CloudFormation hears of it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from functions.page_publisher.handler import handler
from headwater.adapters import aws
from infra.pages_archive import pages_archive
from tests.aws import REGION, Account
from tests.http_servers import serving

PAGES, ASSETS = "pages", "assets"


class CloudFormation(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.heard: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Answer(BaseHTTPRequestHandler):
    server: CloudFormation

    def do_PUT(self) -> None:
        self.server.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def cloudformation(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudFormation]:
    monkeypatch.setenv("PAGES_BUCKET", PAGES)
    for bucket in (PAGES, ASSETS):
        aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    server = CloudFormation()
    with serving(server):
        yield server


def ask(server: CloudFormation, request: str, files: Mapping[str, bytes] | bytes) -> dict[str, Any]:
    archive = files if isinstance(files, bytes) else zipped(files)
    aws.client("s3").put_object(Bucket=ASSETS, Key="pages.zip", Body=archive)
    event = {
        "RequestType": request,
        "ResponseURL": server.url,
        "StackId": "stack",
        "RequestId": "1",
        "LogicalResourceId": "Pages",
        "ResourceProperties": {
            "ServiceToken": "arn",
            "ArchiveBucket": ASSETS,
            "ArchiveKey": "pages.zip",
            "Addresses": '{"api": "https://api.example"}',
        },
    }
    handler(event, None)
    return server.heard[-1]


def zipped(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return written.getvalue()


def published() -> dict[str, str]:
    listed = aws.client("s3").list_objects_v2(Bucket=PAGES).get("Contents", [])
    heads = {each["Key"]: aws.client("s3").head_object(Bucket=PAGES, Key=each["Key"]) for each in listed}
    assert {head["CacheControl"] for head in heads.values()} <= {"no-cache"}
    return {key: head["ContentType"] for key, head in heads.items()}


def test_what_is_published_is_what_there_is_and_it_goes_with_the_stack(cloudformation: CloudFormation) -> None:
    first = ask(cloudformation, "Create", {"index.html": b"1", "old.js": b"1"})
    assert (first["Status"], first["PhysicalResourceId"]) == ("SUCCESS", "pages")
    assert published().keys() == {"index.html", "old.js", "config.json"}
    again = ask(cloudformation, "Update", {"index.html": b"2", "icon.svg": b"<svg/>"})
    assert again["PhysicalResourceId"] == first["PhysicalResourceId"], "or the former would be deleted"
    assert published() == {
        "config.json": "application/json",
        "icon.svg": "image/svg+xml",
        "index.html": "text/html; charset=utf-8",
    }
    body = aws.client("s3").get_object(Bucket=PAGES, Key="config.json")["Body"].read()
    assert json.loads(body) == {"api": "https://api.example"}
    assert ask(cloudformation, "Delete", {})["Status"] == "SUCCESS"
    assert published() == {}


def test_what_is_no_file_of_pages_stops_the_deployment_before_anything_is_written(
    cloudformation: CloudFormation,
) -> None:
    told = ask(cloudformation, "Create", {"index.html": b"", "key.pem": b""})
    assert told["Status"] == "FAILED"
    assert "key.pem" in told["Reason"]
    assert published() == {}


def test_the_real_archive_has_every_file_that_pages_ask_for(cloudformation: CloudFormation) -> None:
    made = pages_archive().archive.read_bytes()
    assert ask(cloudformation, "Create", made)["Status"] == "SUCCESS"
    there = published().keys()
    for needed in (
        "index.html",
        "watch.html",
        "emotes/hwCool.svg",
        "vendor/hls.js/dist/hls.min.mjs",
        "vendor/htm/preact/standalone.module.js",
        "vendor/media-chrome/dist/index.js",
        "vendor/shaka-player/dist/shaka-player.dash-es2021.js",
    ):
        assert needed in there
    assert len(there) < 1000

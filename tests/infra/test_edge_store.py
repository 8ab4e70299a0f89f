"""The store at CloudFront's edges is written from the function's own bundle, which signs as its API wants it: in version 4a."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infra.bundling import bundle
from infra.config.local_values import LocalValues, local

ARN = "arn:aws:cloudfront::123456789012:key-value-store/11111111-2222-3333-4444-555555555555"

# botocore and awscrt as they are in the bundle; what would be sent is looked at in place of being sent.
IN_THE_BUNDLE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from botocore.awsrequest import AWSResponse
from headwater.adapters import aws
from headwater.adapters.edge_store import EdgeStore
from headwater.errors import DependencyUnavailable, StateContended

class Body:
    def __init__(self, content): self.content = content
    def stream(self, **_): yield self.content

answers, sent = json.loads(sys.argv[3]), []

def send(request, **_):
    headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
    body = request.body.decode() if request.body else ""
    sent.append({"method": request.method, "url": request.url, "headers": headers, "body": body})
    status, content, more = answers.pop(0)
    return AWSResponse(request.url, status, more, Body(json.dumps(content).encode()))

aws.client("cloudfront-keyvaluestore").meta.events.register("before-send", send)
store = EdgeStore(sys.argv[2])
said = [store.version(), store.get("a"), store.get("b"), store.update("E1", {"a": "111.."}, frozenset({"a/x"}))]
for call in (lambda: store.update("E1", {"a": "1"}, frozenset()), store.version):
    try:
        call()
    except (DependencyUnavailable, StateContended) as error:
        said.append(type(error).__name__)
print(json.dumps({"said": said, "sent": sent}))
"""


@pytest.mark.timeout(400)  # the first run installs the function's dependencies
def test_the_stores_api_is_asked_as_it_wants_to_be(tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle("edge_access", local(LocalValues()).function_runtime).archive) as archive:
        archive.extractall(tmp_path)
    about = {"ItemCount": 1, "TotalSizeInBytes": 77, "KvsARN": ARN, "Created": 1}
    answers: list[tuple[int, dict[str, Any], dict[str, str]]] = [
        (200, about, {"ETag": "E1"}),
        (200, {"Key": "a", "Value": "222..", "ItemCount": 1, "TotalSizeInBytes": 5}, {}),
        (404, {"Message": "no"}, {"x-amzn-ErrorType": "ResourceNotFoundException"}),
        (200, {"ItemCount": 2, "TotalSizeInBytes": 77}, {"ETag": "E2"}),
        (409, {"Message": "no"}, {"x-amzn-ErrorType": "ConflictException"}),
        (403, {"Message": "no"}, {"x-amzn-ErrorType": "AccessDeniedException"}),
    ]
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "POWERTOOLS_SERVICE_NAME": "x",
    }
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IN_THE_BUNDLE, str(tmp_path), ARN, json.dumps(answers)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["said"] == ["E1", "222..", None, 77, "StateContended", "DependencyUnavailable"]
    for each in told["sent"]:
        assert each["url"].startswith("https://123456789012.cloudfront-kvs.global.api.aws/key-value-stores/")
        assert each["headers"]["Authorization"].startswith("AWS4-ECDSA-P256-SHA256 ")
        assert each["headers"]["X-Amz-Region-Set"] == "*"
    update = told["sent"][3]
    assert (update["method"], update["headers"]["If-Match"]) == ("POST", "E1")
    assert json.loads(update["body"]) == {"Puts": [{"Key": "a", "Value": "111.."}], "Deletes": [{"Key": "a/x"}]}

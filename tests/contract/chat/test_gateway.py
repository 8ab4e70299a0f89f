"""API Gateway's side of chat: its events, its answers, and the signature on what we post to it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from functions.ws_chat.wire import accepted, read_event, refused
from headwater.adapters.request_signing import RequestSigner, SigningCredentials
from headwater.errors import DependencyUnavailable, Forbidden, HeadwaterError, NotJoined, Unauthenticated

EVENTS = Path(__file__).parents[2] / "events/websocket"


def recorded(name: str) -> dict[str, Any]:
    event: dict[str, Any] = msgspec.json.decode((EVENTS / f"{name}.json").read_bytes())
    return event


def test_connect() -> None:
    event = read_event(recorded("connect"))
    assert (event.route, event.connection_id) == ("$connect", "UqDTpcZfDoECGfA=")
    assert event.origin == "https://headwater.example"
    assert event.ticket == "aW4gdGhlIHRlc3RzIG9ubHkg"


def test_connect_of_a_client_that_is_no_browser() -> None:
    event = recorded("connect")
    event["queryStringParameters"] = None
    event["headers"] = {"origin": "https://lower.example"}
    assert read_event(event).origin == "https://lower.example"
    assert read_event(event).ticket is None
    event["headers"] = {}
    assert read_event(event).origin is None


def test_a_frame() -> None:
    event = recorded("default")
    assert (read_event(event).route, read_event(event).frame) == ("$default", '{"action":"ping","nonce":"1"}')
    assert read_event({**event, "isBase64Encoded": True}).frame == ""
    assert read_event({**event, "body": None}).frame == ""


def test_disconnect() -> None:
    assert read_event(recorded("disconnect")).route == "$disconnect"


def test_answers() -> None:
    assert accepted() == {"statusCode": 200}
    assert accepted("{}") == {"statusCode": 200, "body": "{}"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unauthenticated(), 401),
        (Forbidden(), 403),
        (DependencyUnavailable(), 503),
        (NotJoined(), 500),
        (HeadwaterError(), 500),
    ],
)
def test_a_refused_socket_says_why_by_its_status(error: HeadwaterError, status: int) -> None:
    assert refused(error) == {"statusCode": status}


@pytest.mark.parametrize("token", [None, "a/session+token=="])
@pytest.mark.parametrize(("method", "body"), [("POST", b'{"type":"pong"}'), ("DELETE", b"")])
@pytest.mark.parametrize("connection_id", ["UqDTpcZfDoECGfA=", "plain", "a+b/c="])
def test_our_signature_is_botocores(method: str, body: bytes, connection_id: str, token: str | None) -> None:
    host = "abcd1234ef.execute-api.eu-west-1.amazonaws.com"
    path = f"/chat/%40connections/{quote(connection_id, safe='')}"
    theirs = AWSRequest(method=method, url=f"https://{host}{path}", data=body)
    SigV4Auth(Credentials("AKIDEXAMPLE", "secret", token), "execute-api", "eu-west-1").add_auth(theirs)
    moment = datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    signer = RequestSigner(lambda: SigningCredentials("AKIDEXAMPLE", "secret", token), "eu-west-1", "execute-api")
    ours = signer.headers(method, host, path, hashlib.sha256(body).hexdigest(), moment)
    assert ours["authorization"] == theirs.headers["Authorization"]
    assert ours.get("x-amz-security-token") == theirs.headers.get("X-Amz-Security-Token")


def test_a_new_day_and_new_credentials_take_a_new_key() -> None:
    credentials = SigningCredentials("A", "first")
    signer = RequestSigner(lambda: credentials, "eu-west-1", "execute-api")

    def signature(day: int) -> str:
        return signer.headers("POST", "h", "/p", "b", datetime(2027, 1, day, tzinfo=UTC))["authorization"][-64:]

    monday, tuesday = signature(4), signature(5)
    credentials = SigningCredentials("A", "second")
    assert len({monday, tuesday, signature(5)}) == 3
    credentials = SigningCredentials("A", "first")
    assert signature(4) == monday

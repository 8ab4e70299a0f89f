"""The hooks' secret follows itself without anybody being cut, and is gone at once when others may know it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.hook_secret import handler as hook_secret_handler
from functions.hook_secret.rotate_hook_secret import SEEN_BY_ALL_SECONDS
from functions.ingest_hooks.handler import handler as ingest_hooks
from headwater.adapters import aws, secrets
from headwater.broadcasts import unix_ms
from headwater.domain.hook_secrets import OVERLAP_SECONDS
from headwater.domain.stream_key import derive_stream_key
from headwater.hook_signature import HookOrigin, sign
from tests.hooks_api import HooksApi, http_api_event
from tests.integration.ingest.conftest import Stream
from tests.nginx_rtmp import SIGNING_KEY

HEARD, REFUSED = 204, 401
ACCEPTED, DROPPED = 302, 403


@pytest.fixture
def clock(api: HooksApi, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Unix seconds, for the one who rotates and for the one who listens."""
    now = [unix_ms() // 1000]
    monkeypatch.setattr("functions.hook_secret.handler.time.time", lambda: now[0])
    monkeypatch.setattr(
        "functions.hook_secret.handler.time.sleep", lambda seconds: now.__setitem__(0, now[0] + int(seconds))
    )
    monkeypatch.setattr("functions.ingest_hooks.handler.unix_ms", lambda: now[0] * 1000)
    monkeypatch.setenv("HOOK_SECRET", "hooks")
    return now


def held() -> dict[str, Any]:
    text = aws.client("secretsmanager").get_secret_value(SecretId="hooks")["SecretString"]
    return dict(json.loads(text))


def started() -> str:
    """What a node signs with that is started now."""
    return str(held()["secret"])


def answered(secret: str, clock: list[int], hook: str = "app=live&call=play&clientid=5") -> int:
    """How a hook is answered that a node with this secret fires."""
    secrets.forget_secrets()
    clock[0] += 1
    origin = HookOrigin("node-1", "http://10.0.3.7:1936/sources", clock[0] * 1000)
    headers = sign(secret.encode(), origin, hook.encode(), now=clock[0] * 1000)
    return int(ingest_hooks(http_api_event(headers, hook.encode()), None)["statusCode"])


def act(action: str) -> dict[str, Any]:
    return hook_secret_handler.handler({"action": action}, None)


def test_a_node_is_heard_with_the_former_secret_until_the_overlap_is_over(clock: list[int]) -> None:
    former = started()
    assert former == SIGNING_KEY
    assert act("rotate") == {"accepted": 2}
    latter = started()
    assert latter != former
    for later in (0, 30 * 24 * 3600):  # when it is next rotated
        clock[0] += later
        assert answered(latter, clock) == HEARD
        assert answered(former, clock) == HEARD
    clock[0] += OVERLAP_SECONDS
    assert answered(former, clock) == REFUSED
    assert answered(latter, clock) == HEARD
    assert act("rotate") == {"accepted": 2}, "what is over is forgotten"
    assert former not in str(held())


def test_no_node_can_have_a_secret_that_somebody_who_listens_does_not_know_yet(
    clock: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        assert started() == SIGNING_KEY
        [coming] = held()["accepted_too"]
        assert answered(coming["secret"], clock) == HEARD

    monkeypatch.setattr("functions.hook_secret.handler.time.sleep", wait)
    act("rotate")
    assert waited == [SEEN_BY_ALL_SECONDS]
    assert secrets.KEPT_SECONDS < SEEN_BY_ALL_SECONDS


def test_a_rotation_that_was_interrupted_is_done_again(clock: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: float) -> None:
        raise TimeoutError

    with monkeypatch.context() as interrupted:
        interrupted.setattr("functions.hook_secret.handler.time.sleep", gone)
        with pytest.raises(TimeoutError):
            act("rotate")
    assert started() == SIGNING_KEY
    act("rotate")
    assert answered(SIGNING_KEY, clock) == answered(started(), clock) == HEARD


def test_a_secret_that_others_may_know_is_good_for_nothing_any_more(clock: list[int]) -> None:
    act("rotate")
    leaked = [SIGNING_KEY, started()]
    assert act("revoke") == {"accepted": 1}
    assert [answered(each, clock) for each in leaked] == [REFUSED, REFUSED]
    assert answered(started(), clock) == HEARD
    assert held().keys() == {"secret", "accepted_too"}
    assert len(started()) >= 32


def test_nodes_are_started_anew_by_their_service_where_they_have_one(
    clock: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(aws.client("ecs"), "update_service", lambda **request: asked.append(request))
    act("rotate")
    assert asked == [], "where nodes come and go by themselves there is no service"
    monkeypatch.setenv("INGEST_CLUSTER", "headwater-prod-ingest")
    monkeypatch.setenv("INGEST_SERVICE", "nodes")
    act("rotate")
    act("revoke")
    assert asked == [{"cluster": "headwater-prod-ingest", "service": "nodes", "forceNewDeployment": True}] * 2


def test_an_unknown_action_changes_nothing(clock: list[int]) -> None:
    for event in ({}, {"action": "ensure"}):
        with pytest.raises(ValueError, match="rotate or revoke"):
            hook_secret_handler.handler(event, None)
    assert held() == {"secret": SIGNING_KEY}


def test_a_stream_key_secret_that_others_may_know_is_replaced_and_every_key_with_it(
    clock: list[int], stream: Stream
) -> None:
    def said(call: str, key: str) -> int:
        return answered(SIGNING_KEY, clock, f"app=live&clientid=5&call={call}&time=1&name={key}")

    assert said("publish", stream.key) == ACCEPTED
    assert said("update_publish", stream.key) == HEARD
    other = "another stream key secret, of sixty-four characters or so"
    aws.client("secretsmanager").put_secret_value(SecretId="keys", SecretString=json.dumps({"secret": other}))
    assert said("update_publish", stream.key) == DROPPED, "whoever publishes with a key that others may know"
    assert said("publish_done", stream.key) == HEARD
    assert said("publish", stream.key) == DROPPED
    assert said("publish", derive_stream_key(other.encode(), stream.id, 1)) == ACCEPTED, "as the studio shows it now"

"""`Idempotency-Key`: a request that comes again is answered again and carried out once, and keeps no secrets."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from functions.api import idempotency_guard
from headwater.adapters import aws
from headwater.adapters.answered_requests import AnsweredRequests
from headwater.errors import DependencyUnavailable
from tests.api_gateway import Answer, ApiClient
from tests.aws import IDEMPOTENCY_TABLE
from tests.rest_api import Person, RestApi


def post(client: ApiClient, path: str, body: Any, key: str) -> Answer:
    return client.call("POST", path, body, headers={"Idempotency-Key": key})


def titles(owner: Person) -> list[str]:
    found = owner.api.get("/v1/streams", owner=owner.user["username"])
    return [item["title"] for item in found.json["items"]]


def stored() -> str:
    return repr(aws.client("dynamodb").scan(TableName=IDEMPOTENCY_TABLE)["Items"])


def test_a_request_that_comes_again_is_answered_again_and_carried_out_once(api: RestApi) -> None:
    owner = api.register()
    first = post(owner.api, "/v1/streams", {"title": "Once"}, "a-key")
    again = post(owner.api, "/v1/streams", {"title": "Once"}, "a-key")
    assert (first.status, again.status) == (201, 201)
    assert again.json == first.json
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert titles(owner) == ["Once"]
    assert post(owner.api, "/v1/streams", {"title": "Twice"}, "another-key").status == 201
    assert post(owner.api, "/v1/streams", {"title": "Thrice"}, "a-key").code == "idempotency_key_reused"
    assert titles(owner) == ["Twice", "Once"]


def test_a_key_is_one_callers_and_one_calls(api: RestApi) -> None:
    ana, ben = api.register(), api.register()
    mine, theirs = (post(person.api, "/v1/streams", {"title": "Same"}, "1") for person in (ana, ben))
    assert mine.json["id"] != theirs.json["id"]
    path = f"/v1/streams/{mine.json['id']}"
    assert (
        ana.api.call("PATCH", path, {"title": "Changed"}, headers={"Idempotency-Key": "1"}).json["title"] == "Changed"
    )
    assert ana.api.call("DELETE", path, headers={"Idempotency-Key": "1"}).status == 204
    assert ana.api.call("DELETE", path, headers={"Idempotency-Key": "1"}).status == 204, "answered again"
    assert ana.api.delete(path).status == 404


def test_what_was_refused_may_be_tried_again_with_the_same_key(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = api.register()

    def fail(*_: object) -> None:
        raise DependencyUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(api.hot_state, "create", fail)
        assert post(owner.api, "/v1/streams", {"title": "Try"}, "k").status == 503
    assert post(owner.api, "/v1/streams", {"title": "Try"}, "k").status == 201
    assert titles(owner) == ["Try"]


def test_a_copy_that_comes_while_the_first_is_carried_out_is_told_to_wait(
    api: RestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = api.register()
    copies: list[Answer] = []
    create = api.hot_state.create

    def create_meanwhile(control: Any) -> None:
        elsewhere = threading.Thread(target=lambda: copies.append(_begin_copy(api, owner)))
        elsewhere.start()
        elsewhere.join()
        create(control)

    monkeypatch.setattr(api.hot_state, "create", create_meanwhile)
    assert post(owner.api, "/v1/streams", {"title": "Slow"}, "k").status == 201
    assert titles(owner) == ["Slow"]
    assert isinstance(copies[0], dict)
    assert copies[0] == {"code": "request_in_progress", "retry_after": 1}


def _begin_copy(api: RestApi, owner: Person) -> Any:
    """What another process makes of the same request: this one's handler is busy with the first."""
    from headwater.adapters.answered_requests import KeyedRequest
    from headwater.errors import RequestInProgress

    request = KeyedRequest(f"user {owner.user['id']}", "POST /v1/streams?", "k", b'{"title": "Slow"}')
    with pytest.raises(RequestInProgress) as raised:
        api.services.answered_requests.begin(request, 1000)
    return {"code": raised.value.code, "retry_after": raised.value.retry_after_seconds}


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "é"])
def test_a_key_of_the_wrong_form_is_refused(api: RestApi, key: str) -> None:
    answer = post(api.register().api, "/v1/streams", {"title": "Never"}, key)
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "Idempotency-Key")


def test_nobody_is_answered_again_without_a_session(api: RestApi) -> None:
    owner = api.register()
    assert post(owner.api, "/v1/streams", {"title": "Mine"}, "k").status == 201
    owner.api.post("/v1/auth/logout")
    assert post(owner.api, "/v1/streams", {"title": "Mine"}, "k").status == 401
    assert post(api.anonymous, "/v1/streams", {"title": "Mine"}, "k").status == 401


def test_two_rotations_that_are_one_give_one_key_and_nothing_of_it_is_stored(api: RestApi) -> None:
    owner = api.register()
    path = f"/v1/streams/{owner.stream(title='Canary title')['id']}/ingest"
    first, second = (post(owner.api, f"{path}/rotate", None, "canary-idempotency-key") for _ in range(2))
    key = first.json["stream_key"]
    assert key == second.json["stream_key"] == owner.api.get(path).json["stream_key"]
    third = post(owner.api, f"{path}/rotate", None, "other")
    assert third.json["stream_key"] != key
    kept = stored()
    for secret in (
        key,
        key.rpartition("_")[2],
        "canary-idempotency-key",
        "Canary title",
        owner.user["id"],
        "stream_key",
    ):
        assert secret not in kept


def test_without_its_store_a_keyed_request_is_refused_and_others_go_on(
    api: RestApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = api.register()
    away = AnsweredRequests("no-such-table", lambda: b"secret")
    monkeypatch.setitem(api.services.__dict__, "answered_requests", away)
    answer = post(owner.api, "/v1/streams", {"title": "Keyed"}, "k")
    assert (answer.status, answer.code) == (503, "dependency_unavailable")
    assert owner.api.post("/v1/streams", {"title": "Plain"}).status == 201
    assert titles(owner) == ["Plain"]


def test_an_answer_that_cannot_be_noted_is_given_all_the_same(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = api.register()

    def fail(*_: object) -> None:
        raise DependencyUnavailable

    monkeypatch.setattr(api.services.answered_requests, "finish", fail)
    assert post(owner.api, "/v1/streams", {"title": "Done"}, "k").status == 201
    assert post(owner.api, "/v1/streams", {"title": "Done"}, "k").code == "request_in_progress"
    monkeypatch.setattr(idempotency_guard, "LONGEST_CALL_MS", 0)
    assert titles(owner) == ["Done"]

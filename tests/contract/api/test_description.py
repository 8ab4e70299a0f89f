"""The API's OpenAPI description and the page made from it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from functions.api.refusals import REFUSALS
from headwater.domain.chat_protocol import asyncapi_document
from tests.api_gateway import ApiClient
from tests.contract.api.test_problems import codes_of_the_api


@pytest.fixture
def description(client: ApiClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/v1/openapi.json").json
    return found


def test_it_is_openapi_3_1(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    assert {"/v1/auth/register", "/v1/streams/{stream_id}/ingest/rotate", "/.well-known/jwks.json"} <= set(
        description["paths"]
    )


def test_every_reference_leads_somewhere(description: dict[str, Any]) -> None:
    names = set(re.findall(r"#/components/schemas/([\w-]+)", str(description)))
    assert names <= set(description["components"]["schemas"])


def test_every_operation_says_how_it_may_be_refused_in_the_one_shape(description: dict[str, Any]) -> None:
    for path, operations in description["paths"].items():
        for operation in operations.values():
            refusals = {status: told for status, told in operation["responses"].items() if int(status) >= 400}
            if path != "/v1/health":  # its 503 says what does not answer
                assert all(list(told["content"]) == ["application/problem+json"] for told in refusals.values())
            assert {"422", "500", "503"} <= set(refusals)
            assert any(int(status) < 400 for status in operation["responses"])
            assert operation["description"]


def test_refusals_are_of_operations_that_exist(description: dict[str, Any]) -> None:
    names = {operation["operationId"] for each in description["paths"].values() for operation in each.values()}
    assert set(REFUSALS) <= names


def test_every_code_of_the_api_is_some_operations(description: dict[str, Any]) -> None:
    announced = set(re.findall(r"`([a-z_]+)`", str(list(description["paths"].values()))))
    # Those are not of an operation, but of an address or method that is none.
    assert set(codes_of_the_api()) - announced <= {"method_not_allowed"}


def test_operations_have_names_of_their_own(description: dict[str, Any]) -> None:
    names = [op["operationId"] for operations in description["paths"].values() for op in operations.values()]
    assert len(names) == len(set(names))


def test_a_patch_does_not_pretend_that_null_is_a_default(description: dict[str, Any]) -> None:
    for field in description["components"]["schemas"]["StreamPatch"]["properties"].values():
        assert "default" not in field


def test_the_page_needs_nothing_from_elsewhere_and_shows_every_path(
    client: ApiClient, description: dict[str, Any]
) -> None:
    answer = client.get("/v1/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script" not in answer.text
    assert not re.search(r"(src|href)=\"?(https?:)?//", answer.text)
    assert "style-src 'sha256-" in answer.headers["content-security-policy"]
    for path in description["paths"]:
        assert path in answer.text


def test_chat_is_described_beside_it_with_the_address_of_its_sockets(client: ApiClient) -> None:
    answer = client.get("/v1/asyncapi.json")
    assert answer.status == 200
    assert answer.json == asyncapi_document("wss://chat.example.org")
    server = answer.json["servers"]["chat"]
    assert f"{server['protocol']}://{server['host']}{server['pathname']}" == "wss://chat.example.org"

"""What others were broken into by, in the order of their CVEs. What is not of this API is tested where it would happen:

forged hooks (CVE-2026-34731) in `tests/contract/ingest/test_recorded_hooks.py`, names of streams as paths and commands
(CVE-2023-34105) in `tests/unit/test_ids_and_keys.py`, sockets that outlive their session (CVE-2025-62175) in
`tests/integration/api/test_sessions.py`, tokens in `tests/unit/api/test_access_tokens.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api_gateway import ApiClient

ADDRESS_WORDS = ("url", "uri", "href", "link", "webhook", "callback", "endpoint", "host")


def bodies(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The schema of every request's body, by operation."""
    schemas = description["components"]["schemas"]
    for operations in description["paths"].values():
        for operation in operations.values():
            if "requestBody" in operation:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                for each in schema.get("anyOf", [schema]):
                    if "$ref" in each:
                        yield operation["operationId"], schemas[each["$ref"].rpartition("/")[2]]


def test_cve_2023_3188_and_cve_2025_32948_nobody_has_us_fetch_an_address(client: ApiClient) -> None:
    """Owncast fetched any address of a followed server, PeerTube any of a playlist's picture. Here none can be sent."""
    found = list(bodies(client.get("/v1/openapi.json").json))
    assert len(found) > 20
    for operation, schema in found:
        assert schema["additionalProperties"] is False, f"{operation} takes what nobody has looked at"
        for name, field in schema.get("properties", {}).items():
            assert not any(word in name.lower().split("_") for word in ADDRESS_WORDS), f"{operation} takes {name}"
            assert "uri" not in str(field.get("format"))


@pytest.mark.parametrize("origin", ["https://attacker.example", "null", "https://www.example.org"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_cve_2024_29026_an_origin_is_not_answered_with_itself(client: ApiClient, origin: str, method: str) -> None:
    """Owncast reflected any origin, with credentials. Which ones may call is the gateway's exact list, and no function's."""
    headers = {"origin": origin, "access-control-request-method": "POST"}
    for path in ("/v1/streams", "/v1/me", "/v1/auth/login", "/v1/openapi.json"):
        answer = client.call(method, path, headers={**headers, "authorization": "nothing"})
        assert not [name for name in answer.headers if name.startswith("access-control-")]

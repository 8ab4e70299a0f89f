"""One botocore session for all of a process: each would read the description of its service anew, for 75 ms of CPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.adapters import aws, dynamodb_tables


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    aws.forget_clients()
    dynamodb_tables.forget_connections()
    yield
    aws.forget_clients()
    dynamodb_tables.forget_connections()


@pytest.mark.usefixtures("account")
def test_pynamodb_makes_no_session_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """`aws.share_session` sets an attribute that is PynamoDB's own. Should a new version keep its session elsewhere, tables
    would still work, but every function and worker would start slower; this is how we would know."""

    def refuse() -> None:
        raise AssertionError("PynamoDB has made a session")

    monkeypatch.setattr("pynamodb.connection.base.get_session", refuse)
    tables = [dynamodb_tables.stream_items("streams"), dynamodb_tables.lease_items("leases")]
    clients = [table._get_connection().connection.client for table in tables]
    assert all(client.meta.region_name == "eu-west-1" for client in clients)

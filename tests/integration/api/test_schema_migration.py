"""The schema is a resource of the deployment: CloudFormation hears what came of it, and goes back when it failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from functions.schema_migration import migrate_schema
from functions.schema_migration.deployment import answer
from functions.schema_migration.migrate_schema import SchemaNotMigrated
from tests.cloudformation import cloudformation
from tests.ports import free_port
from tests.postgres_server import PostgresServer

SETTING = "database.secret_arn"


def request(address: str, kind: str = "Create") -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": address,
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Schema",
        "ResourceProperties": {"ServiceToken": "arn", "Setting": SETTING, "Migrations": "hash"},
    }


def told(kind: str, migrate: Callable[[], str], *, failures: int = 0) -> dict[str, Any]:
    with cloudformation(failures=failures) as (address, heard):
        answer(request(address, kind), migrate)
    [only] = heard
    return only


@pytest.fixture
def empty_database(postgres: PostgresServer) -> Iterator[str]:
    with psycopg.connect(postgres.plain_url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE emptiness")
        yield postgres.url.replace("/postgres", "/emptiness")
        admin.execute("DROP DATABASE emptiness WITH (FORCE)")


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_schema_that_was_migrated_lets_the_deployment_go_on(empty_database: str, kind: str) -> None:
    said = told(kind, lambda: migrate_schema.migrate_schema(empty_database))
    assert said == {
        "Status": "SUCCESS",
        "PhysicalResourceId": "schema",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Schema",
        "Data": {},
    }


def test_deleting_the_stack_leaves_the_schema_alone() -> None:
    def migrate() -> str:
        raise AssertionError("nothing is to be migrated")

    assert told("Delete", migrate)["Status"] == "SUCCESS"


def test_the_answer_is_repeated_until_it_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.adapters.deployment_requests.time.sleep", lambda _: None)
    assert told("Create", lambda: "0001", failures=2)["Status"] == "SUCCESS"


def test_a_database_that_cannot_be_reached_fails_the_deployment_by_the_settings_name() -> None:
    port = free_port()
    url = f"postgresql+psycopg://headwater:what-a-secret@127.0.0.1:{port}/streams"
    said = told("Create", lambda: migrate_schema.migrate_schema(url))
    assert said["Status"] == "FAILED"
    assert said["Reason"].startswith(f"{SETTING}: the database streams at 127.0.0.1:{port} cannot be reached")
    assert "what-a-secret" not in said["Reason"]


def test_a_failing_migration_fails_the_deployment_and_changes_nothing(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "migrations"
    (broken / "versions").mkdir(parents=True)
    (broken / "env.py").write_bytes((migrate_schema.MIGRATIONS / "env.py").read_bytes())
    (broken / "versions" / "0001_broken.py").write_text(
        "from alembic import op\n"
        "revision = '0001'\n"
        "down_revision = None\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE half (id int)')\n"
        "    op.execute('ALTER TABLE nowhere ADD COLUMN x int')\n"
    )
    monkeypatch.setattr(migrate_schema, "MIGRATIONS", broken)
    said = told("Update", lambda: migrate_schema.migrate_schema(empty_database))
    assert said["Status"] == "FAILED"
    assert 'relation "nowhere" does not exist' in said["Reason"]
    assert "the schema is as it was" in said["Reason"]
    assert "ALTER TABLE" not in said["Reason"]
    with psycopg.connect(empty_database.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)
    # The same deployment, mended.
    monkeypatch.undo()
    assert told("Update", lambda: migrate_schema.migrate_schema(empty_database))["Status"] == "SUCCESS"


def test_code_that_is_brought_back_finds_a_newer_schema_and_leaves_it(empty_database: str) -> None:
    migrate_schema.migrate_schema(empty_database)
    with psycopg.connect(empty_database.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(sql.SQL("UPDATE alembic_version SET version_num = '9999'"))
    assert migrate_schema.migrate_schema(empty_database) == "9999"


def test_whatever_else_goes_wrong_is_told_too() -> None:
    def migrate() -> str:
        raise RuntimeError

    assert told("Create", migrate)["Reason"] == f"{SETTING}: RuntimeError"


def test_an_error_quotes_no_password(postgres: PostgresServer) -> None:
    with pytest.raises(SchemaNotMigrated) as refused:
        migrate_schema.migrate_schema(postgres.url.replace("headwater@", "nobody:what-a-secret@"))
    assert "what-a-secret" not in str(refused.value)

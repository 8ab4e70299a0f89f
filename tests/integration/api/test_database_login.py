"""The database's secret is read in the form that a deployer writes and in RDS's, and again when its password has changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url, text

from headwater.adapters import database_login
from headwater.adapters.database_login import database_of, database_url
from headwater.adapters.postgres import Database
from headwater.errors import DependencyUnavailable
from headwater.settings import DatabaseSettings, SettingsError
from tests.postgres_server import PostgresServer

SAID_BY_THE_SECRET = DatabaseSettings(database_secret="secret")
BY_RDS = {"username": "postgres", "password": "a/b:c@d#e", "engine": "postgres"}


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is in the secret: read for a minute as it was at first, unless it is read anew."""
    held: dict[str, Any] = {}
    kept: dict[str, Any] = {}

    def secret(_: str, *, read_anew: bool = False) -> dict[str, Any]:
        if read_anew or not kept:
            kept.clear()
            kept.update(held)
        return dict(kept)

    monkeypatch.setattr(database_login, "secret", secret)
    return held


@pytest.mark.parametrize("url", ["postgresql+psycopg://a:b@h:5/n?sslmode=require", "postgresql://a:b@h:5/n"])
def test_a_url_is_used_as_it_is_written_but_for_the_driver(held: dict[str, Any], url: str) -> None:
    held["url"] = url
    read = make_url(database_url(SAID_BY_THE_SECRET))
    assert (read.drivername, read.host, read.password) == ("postgresql+psycopg", "h", "b")
    assert read.query == make_url(url).query


@pytest.mark.parametrize(
    ("said", "address"),
    [({"host": "h", "port": 5433, "dbname": "n"}, ""), ({}, "h:5433/n"), ({"host": "h"}, "other:5433/n")],
)
def test_what_rds_writes_is_completed_by_the_address(held: dict[str, Any], said: dict[str, Any], address: str) -> None:
    held.update(BY_RDS, **said)
    read = make_url(database_url(DatabaseSettings(database_secret="secret", database_address=address)))
    assert (read.username, read.password, read.host, read.port, read.database) == (
        "postgres",
        BY_RDS["password"],
        "h",
        5433,
        "n",
    )
    assert read.query == {"sslmode": "require"}


@pytest.mark.parametrize(
    "said", [{}, {"url": "what-a-secret"}, {"password": "what-a-secret"}, {**BY_RDS, "password": "what-a-secret"}]
)
def test_a_secret_of_neither_form_is_refused_by_name_and_not_quoted(held: dict[str, Any], said: dict[str, Any]) -> None:
    held.update(said)
    with pytest.raises(SettingsError, match="arn-of-the-secret") as refused:
        database_url(DatabaseSettings(database_secret="arn-of-the-secret"))
    assert "what-a-secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_in_the_form_of_rds_nothing_is_said_unencrypted(held: dict[str, Any], postgres: PostgresServer) -> None:
    held.update(BY_RDS, host="127.0.0.1", port=postgres.port, dbname="postgres")
    with closing(database_of(SAID_BY_THE_SECRET)) as database, pytest.raises(DependencyUnavailable), database.begin():
        pass


@pytest.fixture
def rotating(postgres: PostgresServer) -> Iterator[str]:
    """A user whose password the server asks for, which it does of nobody else in tests."""
    rules = postgres.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    with psycopg.connect(postgres.plain_url, autocommit=True) as admin:
        admin.execute("CREATE ROLE rotating LOGIN PASSWORD 'first'")
        rules.write_text(f"host all rotating 127.0.0.1/32 scram-sha-256\n{before}")
        admin.execute("SELECT pg_reload_conf()")
        yield "rotating"
        rules.write_text(before)
        admin.execute("SELECT pg_reload_conf()")
        admin.execute("DROP ROLE rotating")


def test_a_rotated_password_costs_nobody_a_request(
    held: dict[str, Any], postgres: PostgresServer, rotating: str
) -> None:
    def url(password: str) -> str:
        return f"postgresql+psycopg://{rotating}:{password}@127.0.0.1:{postgres.port}/postgres"

    held["url"] = url("first")
    with closing(database_of(SAID_BY_THE_SECRET)) as database:
        with database.begin() as connection:
            process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with psycopg.connect(postgres.plain_url, autocommit=True) as admin:
            admin.execute("ALTER ROLE rotating PASSWORD 'second'")
            admin.execute("SELECT pg_terminate_backend(%s)", [process])
        held["url"] = url("second")
        with database.begin() as connection:
            assert connection.execute(text("SELECT current_user")).scalar_one() == rotating


def test_a_connection_that_nobody_uses_does_not_keep_the_database_awake(postgres: PostgresServer) -> None:
    with closing(Database(lambda: postgres.url)) as database, database.begin() as connection:
        assert connection.execute(text("SHOW idle_session_timeout")).scalar_one() == "2min"

"""The database proves to be itself before it is told anything: by a certificate for its own name, of whom we believe."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from functions.schema_migration.migrate_schema import SchemaNotMigrated, migrate_schema
from headwater.adapters import database_login
from headwater.adapters.database_login import database_of, database_url
from headwater.errors import DependencyUnavailable
from headwater.settings import DatabaseSettings
from tests.authorities import Authority
from tests.postgres_server import PostgresServer

PASSWORD = "what-a-secret"
AUTHORITY = "an authority of this test"
LoginOf = Callable[..., DatabaseSettings]


@pytest.fixture
def believed(tmp_path: Path) -> Path:
    """The authority that has signed the server's certificate."""
    return tmp_path / "believed.pem"


@pytest.fixture
def encrypted(postgres: PostgresServer, believed: Path) -> Iterator[PostgresServer]:
    """The server with a certificate for `localhost`, and not for the address that this stands for."""
    authority = Authority.named(AUTHORITY)
    believed.write_bytes(authority.pem)
    data = postgres.folder / "data"
    for name, content in zip(("server.crt", "server.key"), authority.certify("localhost"), strict=True):
        (data / name).write_bytes(content)
        (data / name).chmod(0o600)
        shutil.chown(data / name, data.owner(), data.group())
    _reload(postgres, sql.SQL("ALTER SYSTEM SET ssl = on"), "on")
    yield postgres
    _reload(postgres, sql.SQL("ALTER SYSTEM RESET ssl"), "off")


def _reload(postgres: PostgresServer, change: sql.SQL, then: str) -> None:
    with psycopg.connect(postgres.plain_url, autocommit=True) as admin:
        admin.execute(change)
        admin.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:  # the next connections find it; this one may be too early
        with psycopg.connect(postgres.plain_url) as admin:
            if admin.execute("SHOW ssl").fetchone() == (then,):
                return
        time.sleep(0.02)
    raise TimeoutError(f"ssl is not {then}")


@pytest.fixture
def login_of(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> LoginOf:
    """Settings whose secret has either form and names `host`."""

    def login_of(host: str, authorities: Path | None, *, form: str) -> DatabaseSettings:
        by_rds = {
            "username": "headwater",
            "password": PASSWORD,
            "host": host,
            "port": postgres.port,
            "dbname": "postgres",
        }
        held: dict[str, object] = (
            by_rds
            if form == "rds"
            else {"url": f"postgresql://headwater:{PASSWORD}@{host}:{postgres.port}/postgres?sslmode=disable"}
        )
        monkeypatch.setattr(database_login, "secret", lambda *_, **__: held)
        return DatabaseSettings(
            database_secret="secret", database_authorities="" if authorities is None else str(authorities)
        )

    return login_of


@pytest.mark.parametrize("form", ["rds", "url"])
def test_who_shows_a_certificate_of_our_authority_is_spoken_to_encrypted(
    encrypted: PostgresServer, believed: Path, login_of: LoginOf, form: str
) -> None:
    with closing(database_of(login_of("localhost", believed, form=form))) as database, database.begin() as connection:
        encrypted_as = connection.execute(text("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
        assert str(encrypted_as.scalar_one()).startswith("TLS")


@pytest.mark.parametrize("form", ["rds", "url"])
@pytest.mark.parametrize(
    ("host", "other_authority", "said"),
    [
        ("localhost", "somebody else", "certificate verify failed"),
        ("localhost", AUTHORITY, "SSL error"),  # a name is no proof
        ("127.0.0.1", None, "does not match host name"),
    ],
    ids=["another authority", "one of the same name", "another host"],
)
def test_who_shows_another_one_is_told_nothing_and_the_deployment_says_why_and_by_which_setting(
    encrypted: PostgresServer,
    believed: Path,
    login_of: LoginOf,
    host: str,
    other_authority: str | None,
    said: str,
    form: str,
) -> None:
    if other_authority is not None:
        believed.write_bytes(Authority.named(other_authority).pem)
    assert_refused(login_of(host, believed, form=form), said)


@pytest.mark.parametrize("form", ["rds", "url"])
def test_who_has_none_is_told_nothing(believed: Path, login_of: LoginOf, form: str) -> None:
    believed.write_bytes(Authority.named(AUTHORITY).pem)
    assert_refused(login_of("localhost", believed, form=form), "server does not support SSL")


def assert_refused(settings: DatabaseSettings, said: str) -> None:
    with closing(database_of(settings)) as database, pytest.raises(DependencyUnavailable), database.begin():
        pass
    with pytest.raises(SchemaNotMigrated) as refused:
        migrate_schema(database_url(settings))
    assert said in str(refused.value), str(refused.value)
    assert "database.certificate_authorities" in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_authorities_are_found_from_the_root_of_what_is_deployed(
    monkeypatch: pytest.MonkeyPatch, login_of: LoginOf, tmp_path: Path
) -> None:
    monkeypatch.setattr(database_login, "ROOT", tmp_path)
    settings = login_of("h", Path("certificates/database.pem"), form="rds")
    assert f"sslrootcert={tmp_path}/certificates/database.pem".replace("/", "%2F") in database_url(settings)

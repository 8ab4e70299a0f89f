"""Stage 7 · where the database is, who we are to it, and how it proves to be itself."""

from __future__ import annotations

from pathlib import Path

from headwater.adapters.postgres import Database
from headwater.adapters.secrets import secret
from headwater.settings import DatabaseSettings, SettingsError

DRIVER = "postgresql+psycopg"
ROOT = Path(__file__).parents[2]  # of what is deployed


def database_of(settings: DatabaseSettings) -> Database:
    """The database that the secret leads to. A password that was changed is read anew before anybody notices."""
    return Database(lambda: database_url(settings), renewed_url=lambda: database_url(settings, read_anew=True))


def database_url(settings: DatabaseSettings, *, read_anew: bool = False) -> str:
    """SQLAlchemy's URL of the database.

    The secret is `{"url"}`, as a deployer of an existing database writes it; or what RDS writes, `username` and `password`,
    with `host`, `port` and `dbname` or without them: then they are those of `database_address`. In RDS's form the connection
    is encrypted, or there is none. With `database_authorities` it is, in either form, and the database has shown a
    certificate of one of them, for the very name that it was called by, before it is told anything, the password least of all.

    Raises SettingsError for a secret of neither form, DependencyUnavailable when it cannot be read.
    """
    from sqlalchemy import URL, make_url
    from sqlalchemy.exc import ArgumentError

    secret_id, address = settings.database_secret, settings.database_address
    held = secret(secret_id, read_anew=read_anew)
    if "url" in held:
        try:
            url = make_url(str(held["url"])).set(drivername=DRIVER)
        except ArgumentError:
            # The cause would quote it.
            raise SettingsError(f"the secret {secret_id} has a `url` that is not one (`{DRIVER}://…`)") from None
    else:
        where = make_url(f"{DRIVER}://{address}") if address else URL.create(DRIVER)
        host = held.get("host") or where.host
        if not host or "username" not in held or "password" not in held:
            raise SettingsError(
                f"the secret {secret_id} must hold `url`, or `host`, `username` and `password` as RDS writes them"
            )
        url = URL.create(
            DRIVER,
            username=str(held["username"]),
            password=str(held["password"]),
            host=str(host),
            port=int(held.get("port") or where.port or 5432),
            database=str(held.get("dbname") or where.database or "headwater"),
            query={"sslmode": "require"},
        )
    if settings.database_authorities:
        believed = str(ROOT / settings.database_authorities)
        url = url.update_query_dict({"sslmode": "verify-full", "sslrootcert": believed})
    return url.render_as_string(hide_password=False)

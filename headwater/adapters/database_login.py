"""Stage 7 · where the database is and who we are to it, from its secret, in whichever of its two forms."""

from __future__ import annotations

from headwater.adapters.postgres import Database
from headwater.adapters.secrets import secret
from headwater.settings import SettingsError

DRIVER = "postgresql+psycopg"


def database_of(secret_id: str, address: str) -> Database:
    """The database that the secret leads to. A password that was changed is read anew before anybody notices."""
    return Database(
        lambda: database_url(secret_id, address), renewed_url=lambda: database_url(secret_id, address, read_anew=True)
    )


def database_url(secret_id: str, address: str, *, read_anew: bool = False) -> str:
    """SQLAlchemy's URL of the database.

    The secret is `{"url"}`, as a deployer of an existing database writes it; or what RDS writes, `username` and `password`,
    with `host`, `port` and `dbname` or without them: then they are those of `address`, `host:port/name`. In RDS's form the
    connection is encrypted, or there is none.

    Raises SettingsError for a secret of neither form, DependencyUnavailable when it cannot be read.
    """
    from sqlalchemy import URL, make_url
    from sqlalchemy.exc import ArgumentError

    held = secret(secret_id, read_anew=read_anew)
    if "url" in held:
        try:
            url = make_url(str(held["url"]))
        except ArgumentError:
            # The cause would quote it.
            raise SettingsError(f"the secret {secret_id} has a `url` that is not one (`{DRIVER}://…`)") from None
        return url.set(drivername=DRIVER).render_as_string(hide_password=False)
    where = make_url(f"{DRIVER}://{address}") if address else URL.create(DRIVER)
    host = held.get("host") or where.host
    if not host or "username" not in held or "password" not in held:
        raise SettingsError(
            f"the secret {secret_id} must hold `url`, or `host`, `username` and `password` as RDS writes them"
        )
    return URL.create(
        DRIVER,
        username=str(held["username"]),
        password=str(held["password"]),
        host=str(host),
        port=int(held.get("port") or where.port or 5432),
        database=str(held.get("dbname") or where.database or "headwater"),
        query={"sslmode": "require"},
    ).render_as_string(hide_password=False)

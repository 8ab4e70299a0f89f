"""Before stage 7 · bring the database's schema to the newest revision; nothing to do is the usual case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).parents[2] / "migrations"
CONNECT_TIMEOUT_SECONDS = 60  # a database that sleeps takes fifteen to wake, and after a day longer

# What the deployer may have to decide when the database did not prove to be itself.
_OF_CERTIFICATES = (
    "; database.certificate_authorities is the PEM file of whoever signs its certificate, and the secret must call the"
    " database by the name in it"
)


class SchemaNotMigrated(RuntimeError):
    """The schema is as it was; the message is for whoever deploys, and quotes neither statements nor passwords."""


def migrate_schema(database_url: str) -> str:
    """Run what is pending, all or nothing, and return the revision that the schema is at now.

    A schema that is newer than this code is left as it is: a deployment that goes back brings back code that expects less
    (migrations expand before they contract). Raises SchemaNotMigrated.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy.exc import SQLAlchemyError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["database_url"] = database_url
    config.attributes["connect_timeout"] = CONNECT_TIMEOUT_SECONDS
    scripts = ScriptDirectory.from_config(config)
    current = _current(database_url)
    if current is not None and not _is_known(scripts, current):
        return current
    try:
        command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise SchemaNotMigrated(
            f"a migration from revision {current or 'none'} failed, and the schema is as it was: {_short(error)}"
        ) from error
    return scripts.get_current_head() or ""


def _current(database_url: str) -> str | None:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import create_engine, make_url, pool
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_engine(
        database_url, poolclass=pool.NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS}
    )
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        url = make_url(database_url)
        said = _short(error)
        raise SchemaNotMigrated(
            f"the database {url.database} at {url.host}:{url.port or 5432} cannot be reached or refuses us: {said}"
            + (_OF_CERTIFICATES if any(word in said for word in ("SSL", "certificate")) else "")
        ) from error


def _is_known(scripts: ScriptDirectory, revision: str) -> bool:
    return any(script.revision == revision for script in scripts.walk_revisions())


def _short(error: Exception) -> str:
    """What the database's driver said, without the statement that SQLAlchemy adds."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:500]

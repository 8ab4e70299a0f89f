"""Stage 7 · Alembic's environment: runs every pending migration in one transaction, one migrator at a time.

Migrations only expand (new tables, columns and indexes with defaults) or contract (drop what no deployed code reads any
more), for old code goes on serving while they run.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool, text

from headwater.adapters.tables import metadata

MIGRATION_LOCK = 0x4865_6164  # "Head": two deployments at once take turns


def run_online() -> None:
    asked = context.config.attributes
    engine = create_engine(
        asked["database_url"],
        poolclass=pool.NullPool,
        connect_args={"connect_timeout": asked["connect_timeout"]},
    )
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        context.configure(connection=connection, target_metadata=metadata)
        with context.begin_transaction():
            context.run_migrations()


run_online()

"""Before stage 7 · bring the database's schema to the newest revision; nothing to do is the usual case."""

from __future__ import annotations

from pathlib import Path

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def migrate_schema(database_url: str) -> str:
    """Run what is pending, all or nothing, and return the revision that the schema is at now."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["database_url"] = database_url
    command.upgrade(config, "head")
    return ScriptDirectory.from_config(config).get_current_head() or ""

"""Before stage 7 · invoked by the deployment, before traffic moves to code that needs the newer schema."""

from __future__ import annotations

from typing import Any

from functions.schema_migration.migrate_schema import migrate_schema
from functions.schema_migration.settings import SchemaMigrationSettings
from headwater.adapters.secrets import secret
from headwater.observability import logger
from headwater.settings import load_settings


def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """Any event; answers `{"revision"}`. An error fails the deployment, and the schema is as it was."""
    settings = load_settings(SchemaMigrationSettings)
    revision = migrate_schema(secret(settings.database_secret)["url"])
    logger().info("schema migrated", revision=revision)
    return {"revision": revision}

"""Before stage 7 · invoked by the deployment, before traffic moves to code that needs the newer schema."""

from __future__ import annotations

from typing import Any

from functions.schema_migration.deployment import answer
from functions.schema_migration.migrate_schema import migrate_schema
from functions.schema_migration.settings import SchemaMigrationSettings
from headwater.adapters.database_login import database_url
from headwater.observability import logger
from headwater.settings import load_settings


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """CloudFormation's request is answered as it wants it (deployment.py), and an error fails the deployment. For any other
    event the answer is `{"revision"}`. After an error the schema is as it was."""
    return answer(event, _migrate) if "ResponseURL" in event else {"revision": _migrate()}


def _migrate() -> str:
    revision = migrate_schema(database_url(load_settings(SchemaMigrationSettings)))
    logger().info("schema migrated", revision=revision)
    return revision

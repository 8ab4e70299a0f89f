"""Before stage 7 · the schema as a resource of a stack: CloudFormation asks for it, waits, and goes back when it is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headwater.adapters import deployment_requests


class NotMigrated(Exception):
    """Begins with what the deployer calls the database's setting."""


def answer(event: Mapping[str, Any], migrate: Callable[[], str]) -> dict[str, Any]:
    """Migrate for `Create` and `Update`; a schema whose stack is deleted stays where it is. `ResourceProperties.Setting` is
    what the deployer calls the database's setting."""
    return deployment_requests.answer(event, lambda: _carry_out(event, migrate))


def _carry_out(event: Mapping[str, Any], migrate: Callable[[], str]) -> deployment_requests.Made:
    if event["RequestType"] != "Delete":
        try:
            migrate()
        except Exception as error:
            setting = event.get("ResourceProperties", {}).get("Setting", "database")
            raise NotMigrated(f"{setting}: {str(error) or type(error).__name__}") from error
    return deployment_requests.Made("schema")  # always the same, or an update would end with deleting the former

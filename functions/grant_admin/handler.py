"""Before stage 7 · invoked by whoever runs the deployment, and by nobody else: `{"username": "ana"}` makes an administrator.

Who may invoke it is a question of IAM: no route and no event leads here.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from functions.grant_admin.make_admin import make_admin
from functions.grant_admin.settings import GrantAdminSettings
from headwater.adapters.database_login import database_of
from headwater.observability import logger
from headwater.settings import load_settings


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers `{"username", "roles"}`; an unknown name is an error."""
    settings = load_settings(GrantAdminSettings)
    username = str(event["username"])
    with closing(database_of(settings)) as database:
        roles = make_admin(database, username)
    logger().info("administrator in place", roles=list(roles))
    return {"username": username, "roles": list(roles)}

"""Before stage 1 · invoked once a month, and by operators: `{"action": "rotate"}`, or `{"action": "revoke"}` for a secret that
others may know. docs/deploy.md tells how."""

from __future__ import annotations

import time
from typing import Any

from functions.hook_secret.rotate_hook_secret import revoke_hook_secrets, rotate_hook_secret
from functions.hook_secret.settings import HookSecretSettings
from headwater.adapters.hook_secret_store import HookSecretStore
from headwater.adapters.ingest_service import IngestService
from headwater.observability import logger
from headwater.settings import load_settings


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers `{"accepted"}`, how many secrets a hook may be signed with now; never one of them."""
    settings = load_settings(HookSecretSettings)
    store = HookSecretStore(settings.hook_secret)
    nodes = IngestService(settings.ingest_cluster, settings.ingest_service) if settings.ingest_service else None
    replace_nodes = (lambda: None) if nodes is None else nodes.replace_nodes
    match event.get("action"):
        case "rotate":
            rotate_hook_secret(store, replace_nodes, time.sleep, lambda: int(time.time()))
        case "revoke":
            revoke_hook_secrets(store, replace_nodes)
        case _:
            raise ValueError("`action` is rotate or revoke")
    accepted = len(store.read().accepted(int(time.time())))
    logger().info("hook secrets in place", accepted=accepted, action=event["action"], nodes_replaced=nodes is not None)
    return {"accepted": accepted}

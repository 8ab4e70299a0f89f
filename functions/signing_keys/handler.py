"""Before stage 7 · invoked by the deployment (makes the first key) and by whoever rotates keys: `{"action": "rotate"}`."""

from __future__ import annotations

import time
from typing import Any

from functions.signing_keys.make_signing_key import ensure_signing_key, rotate_signing_key
from functions.signing_keys.settings import SigningKeysSettings
from headwater.adapters.signing_key_ring import SigningKeyRing
from headwater.observability import logger
from headwater.settings import load_settings


def handler(event: dict[str, Any], context: Any) -> dict[str, list[str]]:
    """Answers `{"kids"}`, oldest first; never a private key."""
    ring = SigningKeyRing(load_settings(SigningKeysSettings).token_keys_secret)
    rotate = event.get("action") == "rotate"
    keys = (rotate_signing_key if rotate else ensure_signing_key)(ring, int(time.time()))
    kids = [key.kid for key in keys]
    logger().info("signing keys in place", kids=kids, rotated=rotate)
    return {"kids": kids}

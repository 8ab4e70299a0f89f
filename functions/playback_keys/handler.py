"""Before stage 6 · invoked by the deployment (makes the first key pair) and by whoever rotates: `{"action": "rotate"}`."""

from __future__ import annotations

import time
from typing import Any

from functions.playback_keys.make_playback_key import ensure_playback_key, public_pem, rotate_playback_key
from functions.playback_keys.settings import PlaybackKeysSettings
from headwater.adapters.signing_key_ring import SigningKeyRing
from headwater.observability import logger
from headwater.settings import load_settings


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers `{"keys": {id: public PEM}}`, oldest first, which is what the CDN's key group has to hold; no private key."""
    ring = SigningKeyRing(load_settings(PlaybackKeysSettings).playback_keys_secret)
    rotate = event.get("action") == "rotate"
    keys = (rotate_playback_key if rotate else ensure_playback_key)(ring, int(time.time()))
    logger().info("playback keys in place", kids=[key.kid for key in keys], rotated=rotate)
    return {"keys": {key.kid: public_pem(key) for key in keys}}

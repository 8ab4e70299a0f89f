"""Before stage 6 · asked by the deployment (makes the first key pair, and the key group of its CDN), by a schedule: `{"action":
"rotate"}`, and by operators: `{"action": "revoke"}` for keys that others may know."""

from __future__ import annotations

from typing import Any

from functions.playback_keys.make_playback_key import public_pem
from functions.playback_keys.put_in_place import carry_out, put_in_place
from functions.playback_keys.settings import PlaybackKeysSettings
from headwater.adapters import deployment_requests
from headwater.adapters.edge_keys import EdgeKeys
from headwater.adapters.signing_key_ring import SigningKeyRing
from headwater.settings import load_settings


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers `{"keys": {id: public PEM}}`, oldest first, which is what the CDN's key group holds; no private key. As a
    resource of a stack, its attribute is `KeyGroupId`."""
    settings = load_settings(PlaybackKeysSettings)
    edge = EdgeKeys(settings.edge_keys_name) if settings.edge_keys_name else None
    ring = SigningKeyRing(settings.playback_keys_secret)
    if deployment_requests.is_request(event):
        return deployment_requests.answer(event, lambda: carry_out(event["RequestType"], ring, edge))
    keys, _ = put_in_place(ring, edge, event.get("action", "ensure"))
    return {"keys": {key.kid: public_pem(key) for key in keys}}

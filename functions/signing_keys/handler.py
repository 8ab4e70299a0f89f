"""Before stage 7 · asked by the deployment (makes the first key), once a month, and by operators: `{"action": "rotate"}`,
or `{"action": "revoke"}` for keys that others may know. docs/accounts.md tells how.
"""

from __future__ import annotations

import time
from typing import Any

from functions.signing_keys.make_signing_key import ensure_signing_key, revoke_signing_keys, rotate_signing_key
from functions.signing_keys.settings import SigningKeysSettings
from headwater.adapters import deployment_requests
from headwater.adapters.signing_key_ring import SigningKeyRing
from headwater.observability import logger
from headwater.settings import load_settings

_ACTIONS = {"ensure": ensure_signing_key, "rotate": rotate_signing_key, "revoke": revoke_signing_keys}


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers `{"kids"}`, oldest first; never a private key. CloudFormation's request is answered as it wants it."""
    ring = SigningKeyRing(load_settings(SigningKeysSettings).token_keys_secret)
    if deployment_requests.is_request(event):
        return deployment_requests.answer(event, lambda: _carry_out(event["RequestType"], ring))
    action = event.get("action", "ensure")
    if action not in _ACTIONS:
        raise ValueError(f"`action` is one of {', '.join(_ACTIONS)}, or left out")
    kids = [key.kid for key in _ACTIONS[action](ring, int(time.time()))]
    logger().info("signing keys in place", kids=kids, action=action)
    return {"kids": kids}


def _carry_out(request: str, ring: SigningKeyRing) -> deployment_requests.Made:
    """Keys that there are stay, whatever becomes of the resource: tokens are good for as long as they say."""
    if request != "Delete":
        ensure_signing_key(ring, int(time.time()))
    return deployment_requests.Made("token-keys")  # one id for ever, or an update would end with deleting the former

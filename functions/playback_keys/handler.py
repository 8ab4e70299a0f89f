"""Before stage 6 · asked by the deployment (makes the first key pair, and the key group of its CDN), and by whoever rotates:
`{"action": "rotate"}`, which is a schedule."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from functions.playback_keys.make_playback_key import ensure_playback_key, own_key_id, public_pem, rotate_playback_key
from functions.playback_keys.settings import PlaybackKeysSettings
from headwater.adapters import deployment_requests
from headwater.adapters.edge_keys import EdgeKeys
from headwater.adapters.signing_key_ring import SigningKeyRing
from headwater.domain.signing_keys import SigningKey
from headwater.observability import logger
from headwater.settings import load_settings


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers `{"keys": {id: public PEM}}`, oldest first, which is what the CDN's key group holds; no private key. As a
    resource of a stack, its attribute is `KeyGroupId`."""
    settings = load_settings(PlaybackKeysSettings)
    edge = EdgeKeys(settings.edge_keys_name) if settings.edge_keys_name else None
    ring = SigningKeyRing(settings.playback_keys_secret)
    if deployment_requests.is_request(event):
        return deployment_requests.answer(event, lambda: _carry_out(event["RequestType"], ring, edge))
    keys, _ = _in_place(ring, edge, rotate=event.get("action") == "rotate")
    return {"keys": {key.kid: public_pem(key) for key in keys}}


def _carry_out(request: str, ring: SigningKeyRing, edge: EdgeKeys | None) -> deployment_requests.Made:
    if edge is None:
        raise ValueError("delivery: the maker of playback keys was not told what they are called at CloudFront")
    if request == "Delete":
        edge.remove()
        ring.write(())  # CloudFront does not know them any more
        return deployment_requests.Made("key-group")
    _, group_id = _in_place(ring, edge, rotate=False)
    # One id for ever: the group is found by its name, and changes without the stack.
    return deployment_requests.Made("key-group", {"KeyGroupId": group_id})


def _in_place(ring: SigningKeyRing, edge: EdgeKeys | None, *, rotate: bool) -> tuple[Sequence[SigningKey], str]:
    key_id = own_key_id if edge is None else edge.register
    keys = (rotate_playback_key if rotate else ensure_playback_key)(ring, int(time.time()), key_id)
    # A key that has just been made begins to sign in five minutes: by then every edge has it.
    group_id = "" if edge is None else edge.hold([key.kid for key in keys])
    logger().info("playback keys in place", kids=[key.kid for key in keys], rotated=rotate)
    return keys, group_id

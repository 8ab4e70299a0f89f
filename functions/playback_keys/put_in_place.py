"""Before stage 6 · keys where they are read: in the secret, and in the CDN's key group, which is a resource of a stack."""

from __future__ import annotations

import time
from collections.abc import Sequence

from functions.playback_keys.make_playback_key import (
    ensure_playback_key,
    own_key_id,
    revoke_playback_keys,
    rotate_playback_key,
)
from headwater.adapters import deployment_requests
from headwater.adapters.edge_keys import EdgeKeys
from headwater.adapters.signing_key_ring import SigningKeyRing
from headwater.domain.signing_keys import SigningKey
from headwater.observability import logger

ACTIONS = {"ensure": ensure_playback_key, "rotate": rotate_playback_key, "revoke": revoke_playback_keys}


def carry_out(request: str, ring: SigningKeyRing, edge: EdgeKeys | None) -> deployment_requests.Made:
    if edge is None:
        raise ValueError("delivery: the maker of playback keys was not told what they are called at CloudFront")
    if request == "Delete":
        edge.remove()
        ring.write(())  # CloudFront does not know them any more
        return deployment_requests.Made("key-group")
    _, group_id = put_in_place(ring, edge)
    # One id for ever: the group is found by its name, and changes without the stack.
    return deployment_requests.Made("key-group", {"KeyGroupId": group_id})


def put_in_place(
    ring: SigningKeyRing, edge: EdgeKeys | None, action: str = "ensure"
) -> tuple[Sequence[SigningKey], str]:
    """`action` is one of `ACTIONS`. Raises ValueError for any other."""
    if action not in ACTIONS:
        raise ValueError(f"`action` is one of {', '.join(ACTIONS)}, or left out")
    key_id = own_key_id if edge is None else edge.register
    keys = ACTIONS[action](ring, int(time.time()), key_id)
    # The next key begins to sign in five minutes: by then every edge has it.
    group_id = "" if edge is None else edge.hold([key.kid for key in keys])
    logger().info("playback keys in place", kids=[key.kid for key in keys], action=action)
    return keys, group_id

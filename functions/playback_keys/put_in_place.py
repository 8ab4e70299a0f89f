"""Before stage 6 · keys where they are read: in the secret, and in the CDN's key group, which is a resource of a stack."""

from __future__ import annotations

import time
from collections.abc import Sequence

from functions.playback_keys.make_playback_key import ensure_playback_key, own_key_id, rotate_playback_key
from headwater.adapters import deployment_requests
from headwater.adapters.edge_keys import EdgeKeys
from headwater.adapters.signing_key_ring import SigningKeyRing
from headwater.domain.signing_keys import SigningKey
from headwater.observability import logger


def carry_out(request: str, ring: SigningKeyRing, edge: EdgeKeys | None) -> deployment_requests.Made:
    if edge is None:
        raise ValueError("delivery: the maker of playback keys was not told what they are called at CloudFront")
    if request == "Delete":
        edge.remove()
        ring.write(())  # CloudFront does not know them any more
        return deployment_requests.Made("key-group")
    _, group_id = put_in_place(ring, edge, rotate=False)
    # One id for ever: the group is found by its name, and changes without the stack.
    return deployment_requests.Made("key-group", {"KeyGroupId": group_id})


def put_in_place(ring: SigningKeyRing, edge: EdgeKeys | None, *, rotate: bool) -> tuple[Sequence[SigningKey], str]:
    key_id = own_key_id if edge is None else edge.register
    keys = (rotate_playback_key if rotate else ensure_playback_key)(ring, int(time.time()), key_id)
    # A key that has just been made begins to sign in five minutes: by then every edge has it.
    group_id = "" if edge is None else edge.hold([key.kid for key in keys])
    logger().info("playback keys in place", kids=[key.kid for key in keys], rotated=rotate)
    return keys, group_id

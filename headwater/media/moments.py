"""Stages 5–7 · moments (Unix time) and how far into a broadcast's recording they are.

The clock is that of EXT-X-PROGRAM-DATE-TIME. What was not on the air is not in the recording: all of such a pause is where the
recording goes on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from headwater.media.timeline import Epoch


def seconds_at(epochs: Sequence[Epoch], unix_ms: int) -> float:
    """How far into the recording the moment `unix_ms` is; what was not on the air counts as the end of what was before."""
    found = 0
    for epoch, following in pairwise([*epochs, None]):
        if epoch is None or unix_ms < epoch.wall_start_ms:
            break
        found = epoch.begins_ms + unix_ms - epoch.wall_start_ms
        if following is not None:
            found = min(found, following.begins_ms)
    return found / 1000


def moment_at(epochs: Sequence[Epoch], seconds: float) -> int:
    """The first moment (Unix ms) of which `seconds_at` says that the recording is so far, or farther."""
    wanted = math.ceil(seconds * 1000)
    for epoch, following in pairwise([*epochs, None]):
        if epoch is not None and (following is None or wanted <= following.begins_ms):
            moment = epoch.wall_start_ms + max(0, wanted - epoch.begins_ms)
            return moment if following is None else min(moment, following.wall_start_ms)
    raise ValueError("a recording without epochs has no moments")

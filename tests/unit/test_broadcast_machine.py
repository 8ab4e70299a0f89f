"""Whatever happens to a broadcast, in whatever order, however often: the invariants hold, and it comes to rest at last.

Hypothesis writes the histories (see tests/broadcast_world.py for what can happen in them): 10,000 in a run of the suite, in
shards that run side by side; HEADWATER_SOAK=1 makes it 100,000.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.observability import metrics
from tests.broadcast_world import STEPS, World

SHARDS = 10
HISTORIES = 100_000 if os.environ.get("HEADWATER_SOAK") == "1" else 10_000

# Three bytes a step: what happens, to whom, and how. Hypothesis writes bytes several times as fast as lists of tuples.
histories = st.binary(min_size=3 * 8, max_size=3 * 25)


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Failures are made here by the thousand, and each would be logged."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    metrics().clear_metrics()


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_the_invariants_hold_in_every_history_and_every_broadcast_comes_to_rest(shard: int) -> None:
    @settings(max_examples=HISTORIES // SHARDS, database=None, suppress_health_check=list(HealthCheck))
    @given(histories)
    def live_through(history: bytes) -> None:
        world = World()
        for what, who, how in zip(history[::3], history[1::3], history[2::3], strict=False):
            STEPS[what % len(STEPS)](world, who % 8, how % 8)
            world.check()
        world.calm_down()

    live_through()

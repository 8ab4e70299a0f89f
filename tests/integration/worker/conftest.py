"""One moto server for all tests of a process; every test has a stream and a broadcast of its own in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.worker_stage import Cloud, moto_cloud


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    with moto_cloud() as made:
        yield made

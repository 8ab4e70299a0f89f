"""How a run of tests is shared out among its processes, how it stops, and how Hypothesis behaves in it."""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# What takes seconds a test, most of them spent waiting: handed out first and test by test, so that no process is left
# with a queue of them while the others are done. All else goes by file, whose fixtures are then made once.
LONG = (
    "tests/e2e/",
    "tests/infra/test_bundles.py",
    "tests/integration/ingest/",
    "tests/integration/worker/",
    "tests/unit/test_broadcast_machine.py",
)
# Long, but by file nevertheless: their tests share a broadcast, a port or a second stack.
TOGETHER = (
    "tests/e2e/test_accessibility.py",
    "tests/e2e/test_another_endpoint.py",
    "tests/e2e/test_oauth.py",
)
LONGEST = (
    "tests/e2e/test_another_endpoint.py",
    "tests/e2e/test_life_of_a_stack.py",
    "tests/integration/worker/test_store_away.py",
)

# A machine may be busy: how long an example takes says nothing about the code.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """A run that is told to stop takes down what its fixtures started, as with Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


class ByFileOrTest(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Hands out whole files, and long tests one by one (xdist's own groups are lost with pytest 9: they live in an
    attribute that it no longer reads).
    """

    def _split_scope(self, nodeid: str) -> str:
        by_test = nodeid.startswith(LONG) and not nodeid.startswith(TOGETHER)
        return nodeid if by_test else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFileOrTest:
    return ByFileOrTest(config, log)


@pytest.hookimpl(trylast=True)  # after the order was made random
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    if item.get_closest_marker("alone"):
        return 3
    if item.nodeid.startswith(LONGEST):
        return 0
    return 1 if item.nodeid.startswith(LONG) else 2

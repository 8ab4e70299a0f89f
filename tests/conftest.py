"""How a run of tests is shared out among its processes, how it stops, and how Hypothesis behaves in it."""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

# What takes seconds a test, most of them spent waiting: handed out first and test by test, so that no process is left
# with a queue of them while the others are done. All else goes by file, whose fixtures are then made once.
LONG = (
    "tests/e2e/",
    "tests/infra/test_bundles.py",
    "tests/integration/ingest/",
    "tests/integration/worker/",
    "tests/unit/test_broadcast_machine.py",
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


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups, after the order was made random
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.nodeid.startswith(LONG):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    if item.get_closest_marker("alone"):
        return 3
    if item.nodeid.startswith(LONGEST):
        return 0
    return 1 if item.nodeid.startswith(LONG) else 2

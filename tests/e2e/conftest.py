"""One local stack for all end-to-end tests of a run, and a browser for each process that runs them.

Tests run side by side, for most of their time passes in waiting. Those that take from the stack something that all of it
needs are marked `alone`: they come last, and run while no other test does.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import chromium
from tests.e2e.local_stack import IAM, LocalStack, ready_stack, running_stack
from tests.e2e.sign_in_providers import sign_in_providers_file
from tests.e2e.what_happened import Sightings, what_the_stack_said

PORT_OFFSET = 3000
SIGHTINGS: pytest.StashKey[Sightings] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails tells what its page showed, and what the stack said meanwhile."""
    report = yield
    if report.failed and call.when == "call":
        if sightings := item.stash.get(SIGHTINGS, None):
            report.sections.append(("the page", sightings.told()))
        if stack := getattr(item, "funcargs", {}).get("stack"):
            report.sections.append(("the stack", what_the_stack_said(stack, call.start)))
    return report


@contextmanager
def own_stack(folder: Path) -> Iterator[LocalStack]:
    settings = {
        "HEADWATER_SIGN_IN_PROVIDERS": str(sign_in_providers_file(folder, PORT_OFFSET)),
        **IAM,
    }
    with running_stack(folder / "data", PORT_OFFSET, settings=settings) as running:
        yield running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack of this run's own; or the one that runs on HEADWATER_TEST_STACK's data already."""
    if data := os.environ.get("HEADWATER_TEST_STACK"):
        with ready_stack(Path(data), Path(f"{data}.log")) as running:
            yield running
    elif "PYTEST_XDIST_WORKER" in os.environ:
        raise pytest.UsageError("processes that share a stack are given one: python -m tests.e2e pytest -n 4 tests/e2e")
    else:
        with own_stack(tmp_path_factory.mktemp("stack")) as running:
            yield running


@pytest.fixture(autouse=True)
def turn(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests that are alone wait until the others are over; the others run beside each other, and wait for those."""
    if "stack" not in request.fixturenames:
        yield
        return
    stack: LocalStack = request.getfixturevalue("stack")
    alone = request.node.get_closest_marker("alone") is not None
    with (stack.data / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page in a context of its own; an error on the page or in its console fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(60_000)
    opened = context.new_page()
    request.node.stash[SIGHTINGS] = Sightings(opened)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert not errors, errors


@pytest.fixture
def artifacts() -> Path:
    """Where screenshots go, for a person to look at."""
    folder = Path(__file__).parent / ".artifacts"
    folder.mkdir(exist_ok=True)
    return folder

"""One local stack and one browser for all end-to-end tests of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.local_stack import LocalStack, ready_stack, running_stack
from tests.e2e.sign_in_providers import sign_in_providers_file

PORT_OFFSET = 3000
# Debian's; where a distribution has none, the one that Playwright brings.
CHROMIUM = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack of this run's own; or, to try one test again and again, the one that runs on HEADWATER_TEST_STACK's data."""
    if data := os.environ.get("HEADWATER_TEST_STACK"):
        with ready_stack(Path(data), Path(data) / "logs" / "terminal.log") as running:
            yield running
    else:
        folder = tmp_path_factory.mktemp("stack")
        providers = sign_in_providers_file(folder, PORT_OFFSET)
        settings = {"HEADWATER_SIGN_IN_PROVIDERS": str(providers)}
        with running_stack(folder / "data", PORT_OFFSET, settings=settings) as running:
            yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a context of its own; an error on the page or in its console fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
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

"""What is printed with a failed end-to-end test, whose stack and page are gone when somebody reads of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Error, Page, Request, Response

from tests.e2e.local_stack import LocalStack
from tests.e2e.stack_logs import of_functions

LAST_LINES = 120
LONGEST_LINE = 400
METRICS = '"_aws"'
WORTH_TELLING = ("WARNING", "ERROR", "CRITICAL")
PICTURES = """() => [...document.querySelectorAll("video")].map((v) => ({
  at: v.currentTime, readyState: v.readyState, paused: v.paused, error: v.error?.message,
  buffered: [...Array(v.buffered.length).keys()].map((n) => [v.buffered.start(n), v.buffered.end(n)]),
}))"""


@dataclass
class Sightings:
    """What a page asked for and said, by seconds since it was opened."""

    page: Page
    opened_at: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("response", self._response)
        self.page.on("requestfailed", self._failed)
        self.page.on("console", self._console)

    def _note(self, text: str) -> None:
        self.lines.append(f"{time.monotonic() - self.opened_at:7.1f} {text[:LONGEST_LINE]}")

    def _response(self, response: Response) -> None:
        self._note(f"{response.request.method} {response.status} {_without_query(response.url)}")

    def _failed(self, request: Request) -> None:
        self._note(f"{request.method} failed: {request.failure} {_without_query(request.url)}")

    def _console(self, message: ConsoleMessage) -> None:
        self._note(f"{message.type}: {message.text}")

    def told(self) -> str:
        try:
            shown = self.page.locator("body").inner_text(timeout=2000)[:2000]
            pictures = self.page.evaluate(PICTURES)
        except Error as error:
            shown, pictures = str(error), None
        return "\n".join([_without_query(self.page.url), shown, f"videos: {pictures}", *self.lines[-LAST_LINES:]])


def _without_query(url: str) -> str:
    return url.partition("?")[0]  # signatures


def what_the_stack_said(stack: LocalStack, since: float) -> str:
    """Warnings and worse of functions, and the last lines of every other program, from `since` (Unix seconds) on."""
    lines = [*_of_functions(stack, since), *_of_programs(stack, since)]
    return "\n".join(line[:LONGEST_LINE] for line in lines)


def _of_functions(stack: LocalStack, since: float) -> list[str]:
    found = (line for line in of_functions(stack, since) if any(level in line.text for level in WORTH_TELLING))
    return [f"{line.source}: {line.text}" for line in found][-LAST_LINES:]


def _of_programs(stack: LocalStack, since: float) -> list[str]:
    lines = []
    for log in sorted((stack.data / "logs").glob("*.log")):
        if log.stat().st_mtime >= since:
            said = [line for line in log.read_text(errors="replace").splitlines() if METRICS not in line]
            lines += [f"{log.stem}: {line}" for line in said[-LAST_LINES // 4 :]]
    return lines

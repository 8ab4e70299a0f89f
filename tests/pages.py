"""The pages in a browser, in front of an API that is called in this process: no server, and calls that can be held."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import Browser, Page, Route

from tests.api_gateway import ApiClient

ROOT = Path(__file__).parent.parent
ORIGIN = "https://app.example.org"
ADDRESSES = {"api": ORIGIN, "ws": "wss://chat.example.org", "cdn": "https://cdn.example.org"}


class Pages:
    def __init__(self, page: Page, api: ApiClient, handlers: ThreadPoolExecutor) -> None:
        self.page = page
        self._api = api
        self._handlers = handlers
        self._holds: str | None = None
        self._held: Route | None = None

    @contextmanager
    def held(self, path: str) -> Iterator[None]:
        """The call whose path ends so waits for `let_through` or `lose`."""
        self._holds = path
        yield
        assert self._held is None, f"nobody has let {path} go on"
        self._holds = None

    def let_through(self) -> None:
        self._call(self._taken())

    def lose(self) -> None:
        self._taken().abort()

    def _taken(self) -> Route:
        while self._held is None:
            self.page.wait_for_timeout(20)
        taken, self._held = self._held, None
        return taken

    def answer(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        if self._holds and path.endswith(self._holds):
            self._held = route
        elif path.startswith("/v1/"):
            self._call(route)
        elif path == "/config.json":
            route.fulfill(json=ADDRESSES)
        else:
            file = _file(path)
            route.fulfill(path=file, content_type=mimetypes.guess_type(file)[0])

    def _call(self, route: Route) -> None:
        request = route.request
        url = urlsplit(request.url)
        answer = self._handlers.submit(
            self._api.call,
            request.method,
            url.path,
            parameters=dict(parse_qsl(url.query)),
            headers=request.headers,
            raw=request.post_data_buffer,
        ).result()
        route.fulfill(status=answer.status, headers=dict(answer.headers), body=answer.text)


def _file(path: str) -> Path:
    if path.startswith("/vendor/"):
        return ROOT / "node_modules" / path.removeprefix("/vendor/")
    file = ROOT / "web" / path.removeprefix("/")
    return file if file.suffix else file.with_suffix(".html")


@contextmanager
def pages_signed_in(browser: Browser, api: ApiClient, refresh_token: str) -> Iterator[Pages]:
    """`api` is called in a thread with a loop of its own: in this one the browser's runs, and Mangum cannot enter it."""
    page = browser.new_page(base_url=ORIGIN)
    page.add_init_script(f"localStorage['headwater.refresh_token'] ??= '{refresh_token}'")
    loop = asyncio.new_event_loop()
    with closing(loop), ThreadPoolExecutor(1, initializer=asyncio.set_event_loop, initargs=(loop,)) as handlers:
        pages = Pages(page, api, handlers)
        page.route(f"{ORIGIN}/**", pages.answer)
        yield pages
        page.close()

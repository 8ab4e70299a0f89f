"""Sign-in with a real OpenID provider in a real browser, and what becomes of everybody who gets between."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.local_stack import LocalStack
from tests.e2e.sign_in_providers import ATTACKERS_PORT, CLIENT_ID, CLIENT_SECRET, HONEST_HOST, HONEST_PORT
from tests.e2e.test_first_light import sign_in
from tests.fake_openid import fake_openid
from tests.openid_provider import Client, openid_provider

pytestmark = pytest.mark.timeout(300)
PATIENCE_MS = 60_000  # of each step: functions that start on a busy machine take their time
REFRESH_TOKEN = "localStorage.getItem('headwater.refresh_token')"


def offset_of(stack: LocalStack) -> int:
    port = urlsplit(stack.api).port
    assert port is not None
    return port - 8000


@pytest.fixture(scope="module")
def provider(stack: LocalStack) -> Iterator[str]:
    client = Client(CLIENT_ID, f"{stack.api}/v1/auth/oauth/acme/callback", CLIENT_SECRET)
    with openid_provider([client], HONEST_PORT + offset_of(stack), HONEST_HOST) as issuer:
        yield issuer


class Visitor:
    """Somebody at a browser of their own, and every address that it asked for."""

    def __init__(self, stack: LocalStack, context: BrowserContext) -> None:
        self.stack = stack
        self.context = context
        context.set_default_timeout(PATIENCE_MS)
        self.page: Page = context.new_page()
        self.asked: list[str] = []
        context.on("request", lambda request: self.asked.append(request.url))

    def press(self, button: str = "Continue with Acme") -> None:
        self.page.goto(f"{self.stack.web}/studio")
        self.page.get_by_role("button", name=button).click()

    def open(self, url: str) -> None:
        """From elsewhere: to change only what stands behind the `#` would load nothing."""
        self.page.goto("about:blank")
        self.page.goto(url)

    def agree(self, login: str) -> None:
        """At the provider's own pages."""
        self.page.get_by_placeholder("Enter any login").fill(login)
        self.page.get_by_placeholder("and password").fill("any")
        self.page.get_by_role("button", name="Sign-in").click()
        self.page.get_by_role("button", name="Continue").click()

    def hide_sign_in(self) -> list[Any]:
        """Take what the API left in this browser, once the provider's page is there: its answer will find nothing."""
        expect(self.page.get_by_role("button", name="Sign-in")).to_be_visible(timeout=PATIENCE_MS)
        hidden = [each for each in self.context.cookies(self.stack.api) if each["name"].startswith("__Host-oauth-")]
        assert hidden
        self.context.clear_cookies(name=re.compile("^__Host-oauth-"))
        return hidden

    def choose_name(self, username: str) -> None:
        """As only newcomers are asked."""
        expect(self.page.get_by_role("heading", name="Welcome")).to_be_visible(timeout=PATIENCE_MS)
        self.page.get_by_label("Your username").fill(username)
        self.page.get_by_role("button", name="Go on").click()

    def last(self, start: str) -> str:
        return next(url for url in reversed(self.asked) if url.startswith(start))

    def is_signed_in_as(self, username: str) -> None:
        expect(self.page.get_by_role("heading", name="Your streams")).to_be_visible(timeout=PATIENCE_MS)
        expect(self.page.locator("header .account")).to_have_text(username)

    def is_refused(self, why: str) -> None:
        expect(self.page.get_by_role("heading", name="Not signed in")).to_be_visible(timeout=PATIENCE_MS)
        expect(self.page.get_by_role("alert")).to_contain_text(why)
        assert self.page.url == f"{self.stack.web}/signed-in"
        assert self.page.evaluate(REFRESH_TOKEN) is None


@pytest.fixture
def arrive(stack: LocalStack, browser: Browser) -> Iterator[Callable[[], Visitor]]:
    contexts: list[BrowserContext] = []

    def arrived() -> Visitor:
        contexts.append(browser.new_context())
        return Visitor(stack, contexts[-1])

    yield arrived
    for context in contexts:
        context.close()


@pytest.fixture
def visitor(arrive: Callable[[], Visitor]) -> Visitor:
    return arrive()


def altered(url: str, **changes: str) -> str:
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return urlunsplit(parts._replace(query=urlencode({**query, **changes})))


def test_somebody_signs_in_with_a_provider_and_finds_their_account_again(
    stack: LocalStack, provider: str, arrive: Callable[[], Visitor]
) -> None:
    username = f"ana_{os.getpid()}"
    for is_new in (True, False):
        visitor = arrive()
        visitor.press()
        visitor.agree(username)
        if is_new:
            visitor.choose_name(f"{username}_live")
        visitor.is_signed_in_as(f"{username}_live")
        assert visitor.page.url == f"{stack.web}/studio"
        refresh_token = visitor.page.evaluate(REFRESH_TOKEN)
        assert refresh_token
        assert not [url for url in visitor.asked if refresh_token in url or "eyJ" in url]
        assert [each for each in visitor.context.cookies(stack.api) if "oauth" in each["name"]] == []


def test_an_account_gets_a_second_door_and_loses_it_again(
    stack: LocalStack, provider: str, arrive: Callable[[], Visitor]
) -> None:
    owner = stack.register("two_doors")
    visitor = arrive()
    sign_in(visitor.page, stack, owner.username)
    visitor.page.goto(f"{stack.web}/account")
    visitor.page.get_by_role("button", name="Link Acme", exact=True).click()
    login = f"dora_{os.getpid()}"
    visitor.agree(login)
    expect(visitor.page.get_by_text(f"{login}@example.net")).to_be_visible(timeout=PATIENCE_MS)
    assert visitor.page.url == f"{stack.web}/account"
    other = arrive()
    other.press()
    other.agree(login)
    other.is_signed_in_as(owner.username)
    visitor.page.get_by_role("button", name="Unlink Acme").click()
    expect(visitor.page.get_by_role("button", name="Link Acme", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    assert owner.call("GET", "/me/identities")["items"] == []


def test_who_changes_their_mind_at_the_provider_is_told_that_nothing_happened(provider: str, visitor: Visitor) -> None:
    visitor.press()
    visitor.page.get_by_role("link", name="Cancel").click()
    visitor.is_refused("nothing has happened")
    visitor.page.get_by_role("link", name="Back").click()
    expect(visitor.page.get_by_role("button", name="Continue with Acme")).to_be_visible(timeout=PATIENCE_MS)


def test_an_attackers_finished_sign_in_signs_nobody_else_in(
    stack: LocalStack, provider: str, arrive: Callable[[], Visitor]
) -> None:
    """Login CSRF, by the provider's answer and by what the API makes of it."""
    attacker, victim = arrive(), arrive()
    attacker.press()
    attacker.hide_sign_in()
    attacker.agree("attacker")
    attacker.is_refused("another window")
    victim.open(attacker.last(f"{stack.api}/v1/auth/oauth/acme/callback"))
    victim.is_refused("another window")

    attacker.context.route("**/signed-in.js", lambda route: route.abort())
    attacker.press()
    attacker.page.wait_for_url(f"{stack.web}/signed-in#code=*")
    victim.open(attacker.page.url)
    victim.is_refused("another window")
    victim.press()  # with a sign-in of their own under way
    expect(victim.page.get_by_role("button", name="Sign-in")).to_be_visible(timeout=PATIENCE_MS)
    victim.open(attacker.page.url)
    victim.is_refused("another window")


@pytest.mark.parametrize("parameter", ["nonce", "code_challenge"])
def test_a_request_that_was_altered_on_the_way_signs_nobody_in(provider: str, visitor: Visitor, parameter: str) -> None:
    visitor.press()
    expect(visitor.page.get_by_role("button", name="Sign-in")).to_be_visible(timeout=PATIENCE_MS)
    visitor.open(altered(visitor.last(f"{provider}/auth?"), **{parameter: "x" * 43}))
    visitor.agree("ana")
    visitor.is_refused("did not confirm")


def test_an_answer_works_once_and_its_code_in_no_other_sign_in(
    stack: LocalStack, provider: str, arrive: Callable[[], Visitor]
) -> None:
    visitor, thief = arrive(), arrive()
    visitor.press()
    login = f"once_{os.getpid()}"
    visitor.agree(login)
    visitor.choose_name(login)
    visitor.is_signed_in_as(login)
    used = visitor.last(f"{stack.api}/v1/auth/oauth/acme/callback")
    visitor.page.evaluate("localStorage.clear()")
    visitor.open(used)
    visitor.is_refused("finished already")
    thief.press()
    expect(thief.page.get_by_role("button", name="Sign-in")).to_be_visible(timeout=PATIENCE_MS)
    [state] = parse_qs(urlsplit(thief.last(f"{provider}/auth?")).query)["state"]
    thief.open(altered(used, state=state))
    thief.is_refused("did not confirm")


def test_a_sign_in_that_the_browser_has_forgotten_is_over(provider: str, visitor: Visitor) -> None:
    visitor.press()
    visitor.hide_sign_in()
    visitor.agree("ana")
    visitor.is_refused("took too long")


def test_a_provider_that_turned_evil_gets_no_code_of_another(
    stack: LocalStack, provider: str, arrive: Callable[[], Visitor]
) -> None:
    """Mix-up (RFC 9700 §4.4): the evil provider sends the browser on to the honest one, and hopes for the code."""
    callback = f"{stack.api}/v1/auth/oauth/acme/callback"
    with fake_openid(port=ATTACKERS_PORT + offset_of(stack)) as evil:
        evil.pass_on = lambda asked: f"{provider}/auth?{urlencode({**asked, 'redirect_uri': callback})}"
        visitor = arrive()
        visitor.press("Continue with Evil")
        visitor.agree("ana")
        visitor.is_refused("another window")
        # The same answer, brought to where the sign-in began.
        visitor = arrive()
        visitor.press("Continue with Evil")
        hidden = visitor.hide_sign_in()
        visitor.agree("ana")
        visitor.is_refused("another window")
        visitor.context.add_cookies(hidden)
        visitor.open(visitor.last(callback).replace("/acme/", "/evil/"))
        visitor.is_refused("did not confirm")
        assert evil.count("/authorize") == 2
        assert evil.count("/token") == 0

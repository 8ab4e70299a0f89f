"""An account in a browser: its address confirmed and its password replaced by mail, and what is open elsewhere closed."""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.sync_api import Browser, Page, StorageState, expect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.e2e.local_stack import LocalStack, Person, eventually
from tests.e2e.test_accessibility import AXE, LOOK_FOR

PASSWORD = "grenoble-umbrella-47"
NEW_PASSWORD = "another-umbrella-58"


def link_in_mail(stack: LocalStack, to: str, page: str) -> str:
    """The newest link to /account/<page> in the folder where the local stack's mail lands."""

    def found() -> str | None:
        letters = sorted((stack.data / "mail").glob(f"*{to}.txt"), reverse=True)
        links = [re.search(rf"{re.escape(stack.web)}/account/{page}#\S+", letter.read_text()) for letter in letters]
        return next((link[0] for link in links if link), None)

    return eventually(found, f"mail with a link to {page}")


def assert_usable(
    browser: Browser,
    url: str,
    artifacts: Path,
    name: str,
    state: StorageState | None = None,
    unfold: tuple[str, ...] = (),
) -> None:
    """At 360 px nothing sticks out, and axe finds nothing; with what is folded up unfolded."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, bypass_csp=True, storage_state=state)
    page = context.new_page()
    page.goto(url)
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=20_000)
    for label in unfold:
        page.get_by_text(label, exact=True).click()
    page.screenshot(path=artifacts / f"{name}-360.png", full_page=True)
    page.add_script_tag(path=AXE)
    assert page.evaluate(LOOK_FOR) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_an_account_is_confirmed_and_taken_back_by_mail_and_others_are_shown_out(
    stack: LocalStack, page: Page, browser: Browser, artifacts: Path
) -> None:
    name, email = f"Post_{os.getpid()}", f"Ana{os.getpid()}@example.com"
    page.goto(f"{stack.web}/studio")
    page.get_by_role("button", name="Create an account instead").click()
    page.get_by_label("Username").fill(name)
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill("password1")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("used, and tried, most")).to_be_visible(timeout=20_000)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("link", name=name).click()
    expect(page.get_by_text("Not confirmed")).to_be_visible(timeout=20_000)

    page.goto(link_in_mail(stack, email, "verify"))
    assert "#" not in page.url, "the secret has left the address bar"
    page.get_by_role("button", name="This address is mine").click()
    page.get_by_role("status").get_by_role("link", name="Your account").click()
    expect(page.get_by_text("Confirmed", exact=True)).to_be_visible(timeout=20_000)

    moved = f"Moved{os.getpid()}@example.com"
    page.get_by_text("Change it").click()
    page.get_by_label("New address").fill(moved)
    page.get_by_label("Your password, once more").fill(PASSWORD)
    page.get_by_role("button", name="Send a link there").click()
    expect(page.get_by_text(f"on its way to {moved}")).to_be_visible(timeout=20_000)
    page.goto(link_in_mail(stack, moved, "verify"))
    page.get_by_role("button", name="This address is mine").click()
    page.get_by_role("status").get_by_role("link", name="Your account").click()
    expect(page.get_by_text(moved)).to_be_visible(timeout=20_000)
    eventually(
        lambda: any("no longer here" in letter.read_text() for letter in (stack.data / "mail").glob(f"*{email}.txt")),
        "word to the old address",
    )
    email = moved

    # Somebody else is signed in, and has a chat socket open.
    answer = stack.http.post("/v1/auth/login", json={"login": name, "password": PASSWORD}).json()
    elsewhere = Person(stack.http, name, answer["user"]["id"], answer["access_token"])
    with connect(f"{stack.ws}?ticket={elsewhere.call('POST', '/chat/tickets')['ticket']}", proxy=None) as socket:
        page.reload()
        there = page.get_by_role("button", name=re.compile("^Sign out python-httpx"))
        expect(there).to_be_visible()
        there.click()
        expect(page.get_by_role("listitem")).to_have_count(1, timeout=20_000)
        elsewhere.call("GET", "/me", expect=401)
        try:
            socket.recv(timeout=20)
            raise AssertionError("nothing was said in this socket, and it is still open")
        except ConnectionClosed:
            pass

    page.get_by_role("button", name="Sign out", exact=True).click()
    page.goto(f"{stack.web}/studio")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("E-mail").fill(email.upper())
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible(timeout=20_000)
    link = link_in_mail(stack, email, "reset")
    assert_usable(browser, link, artifacts, "reset")
    page.goto(link)
    page.get_by_label("New password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("heading", name="Your password is changed")).to_be_visible(timeout=20_000)
    page.goto(link + "x")
    page.get_by_label("New password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid any more", timeout=20_000)

    page.goto(f"{stack.web}/account")  # signed out: leads to signing in, and back
    page.get_by_label("Username or e-mail").fill(name.upper())
    page.get_by_label("Password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Your account")).to_be_visible(timeout=20_000)
    page.screenshot(path=artifacts / "account.png", full_page=True)
    for name_of_page in ("forgot", "verify"):
        assert_usable(browser, f"{stack.web}/account/{name_of_page}", artifacts, name_of_page)
    folds = ("Change it", "Delete my account")
    # Last: with the session's tokens in two browsers, whoever comes second to a refresh is taken for a thief.
    assert_usable(browser, f"{stack.web}/account", artifacts, "account", page.context.storage_state(), folds)
    secrets = (PASSWORD, NEW_PASSWORD, link.partition("#")[2])
    for log in (stack.data / "logs").rglob("*"):
        if log.is_file():
            assert not any(secret in log.read_text(errors="replace") for secret in secrets), log

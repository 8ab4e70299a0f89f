"""People talk on the real page, and its moderators keep order there and in the studio."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.local_stack import LocalStack, Person, Stream, eventually
from tests.e2e.test_first_light import sign_in
from tests.e2e.test_studio_lists import axe_finds_nothing, fold

A_PAGE = 25  # of a list, where a call asks for no other


@pytest.fixture
def second(browser: Browser) -> Iterator[Page]:
    """Somebody else's browser, as small as a phone's."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme="dark")
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def third(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def enter(page: Page, stack: LocalStack, person: Person, stream: Stream) -> None:
    sign_in(page, stack, person.username)
    page.goto(f"{stack.web}/watch/{stream.stream_id}")
    expect(reaction(page, "🔥")).to_be_enabled()  # the room is open


def reaction(page: Page, emoji: str) -> Locator:
    return page.get_by_role("button", name=re.compile(f"^React with {emoji}"))


def say(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Message").fill(text)
    page.get_by_role("textbox", name="Message").press("Enter")


def line(page: Page, text: str) -> Locator:
    return page.locator(".chat li").filter(has_text=text)


def moderate(page: Page, message: str, username: str, what: str) -> None:
    row = line(page, message)
    row.get_by_role("button", name=f"Moderate {username}").click()
    row.get_by_label("What to do").select_option(label=what)
    row.get_by_label("Reason").fill("For the test")
    row.get_by_role("button", name="Do it").click()


@pytest.mark.timeout(300)
def test_people_talk_with_emotes_replies_mentions_and_reactions_and_a_moderator_keeps_order(
    stack: LocalStack, page: Page, second: Page
) -> None:
    stream = stack.create_stream(title="Talking")
    owner, guest = stream.owner, stack.register("guest")
    enter(page, stack, owner, stream)
    enter(second, stack, guest, stream)

    say(page, f"Welcome @{guest.username} hwWave")
    welcome = line(second, "Welcome")
    expect(welcome.get_by_role("img", name="hwWave")).to_be_visible()
    expect(welcome.get_by_role("img", name="Owner")).to_be_visible()
    expect(welcome).to_have_class("speaks-to-you")
    welcome.get_by_role("button", name=f"Reply to {owner.username}").click()
    say(second, "Thank you, said the guest")
    expect(line(page, "Thank you").get_by_role("button", name=re.compile("Welcome"))).to_be_visible()
    second.get_by_role("button", name="Emotes").click()
    second.get_by_role("button", name="hwGG", exact=True).click()
    expect(second.get_by_role("textbox", name="Message")).to_have_value("hwGG ")
    axe_finds_nothing(second)
    assert second.evaluate("document.documentElement.scrollWidth") <= 360
    second.get_by_role("textbox", name="Message").press("Enter")
    expect(page.locator(".chat li img[alt=hwGG]")).to_be_visible()
    reaction(second, "🔥").click()
    expect(reaction(page, "🔥")).to_contain_text("1")

    moderate(page, "Thank you", guest.username, "Delete the message")
    expect(line(second, "message deleted")).to_have_count(1)
    expect(line(second, "Thank you")).to_have_count(0)
    line(page, "message deleted").get_by_role("button", name="Restore").click()
    expect(line(second, "Thank you")).to_be_visible()
    moderate(page, "Thank you", guest.username, f"Ban {guest.username}")
    expect(line(second, f"{guest.username} was banned.")).to_be_visible()
    say(second, "May I still speak?")
    expect(second.get_by_role("alert")).to_contain_text("banned")
    axe_finds_nothing(page)
    line(page, "was banned").get_by_role("button", name="Undo").click()
    expect(line(second, "may chat again")).to_be_visible()
    say(second, "Here I am again")
    expect(line(page, "Here I am again")).to_be_visible()


@pytest.mark.timeout(300)
def test_who_is_banned_is_banned_on_every_device_until_they_are_not(
    stack: LocalStack, page: Page, second: Page, third: Page
) -> None:
    stream = stack.create_stream(title="Two devices")
    owner, guest = stream.owner, stack.register("guest")
    enter(page, stack, owner, stream)
    for device in (second, third):
        enter(device, stack, guest, stream)
    say(second, "From the telephone")
    say(third, "From the desk")
    expect(line(page, "From the telephone")).to_be_visible()
    moderate(page, "From the desk", guest.username, f"Ban {guest.username}")
    for device in (second, third):
        expect(line(device, f"{guest.username} was banned.")).to_be_visible()
        say(device, "Am I out here, too?")
        expect(device.get_by_role("alert")).to_contain_text("banned")
    line(page, "was banned").get_by_role("button", name="Undo").click()
    for device in (second, third):
        expect(line(device, "may chat again")).to_be_visible()
        say(device, "Back on this one")
    expect(line(page, "Back on this one")).to_have_count(2)
    expect(line(page, "Am I out here")).to_have_count(0)


@pytest.mark.timeout(300)
def test_the_studio_sets_the_room_reviews_messages_and_keeps_emotes_and_the_log(
    stack: LocalStack, page: Page, second: Page
) -> None:
    stream = stack.create_stream(title="Moderated")
    owner, guest = stream.owner, stack.register("guest")
    enter(second, stack, guest, stream)
    sign_in(page, stack, owner.username)

    emotes = fold(page, "Emotes")
    expect(emotes).to_contain_text("None of your own yet.")
    emotes.get_by_label("Name").fill("otterHi")
    body = io.BytesIO()
    Image.new("RGB", (120, 80), "brown").save(body, "PNG")
    picture = {"name": "otter.png", "mimeType": "image/png", "buffer": body.getvalue()}
    emotes.get_by_label("Picture").set_input_files(picture)  # type: ignore[arg-type] # a mapping is taken, too
    emotes.get_by_role("button", name="Add").click()
    expect(emotes).to_contain_text("otterHi can be said in the chat from now on.")
    shown = emotes.get_by_role("listitem").locator("img")
    expect(shown).to_have_js_property("naturalWidth", 56)

    settings = fold(page, "Chat settings")
    settings.get_by_label("Slow mode").fill("1")
    settings.get_by_label("Blocked terms").fill("bad word*\n? maybe")
    settings.get_by_role("button", name="Save").click()
    expect(settings.get_by_role("status")).to_have_text("Saved.")
    expect(second.locator(".modes")).to_contain_text("Slow mode: a message every 1 second")
    say(second, "b4d   w0rds")
    expect(second.get_by_role("alert")).to_be_visible()
    say(second, "well, maybe")
    expect(second.get_by_text("A moderator looks at your message first.")).to_be_visible()
    held = fold(page, "Messages to review")
    held.get_by_role("button", name=f"Approve what {guest.username} said").click()
    expect(held).to_contain_text("Nothing waits.")
    expect(line(second, "well, maybe")).to_be_visible()

    bans = fold(page, "Bans")
    bans.get_by_label("Username").fill(guest.username)
    bans.get_by_label("Reason").fill("Enough")
    bans.get_by_role("button", name="Ban", exact=True).click()
    expect(bans.get_by_role("listitem")).to_contain_text("Enough")
    expect(line(second, "was banned")).to_be_visible()
    bans.get_by_role("button", name=f"Unban {guest.username}").click()
    expect(bans).to_contain_text("Everybody may chat.")
    vips = fold(page, "VIPs")
    vips.get_by_label("Username").fill(guest.username)
    vips.get_by_role("button", name="Add").click()
    expect(vips.get_by_role("listitem")).to_contain_text(guest.username)
    log = fold(page, "Moderation log")
    done = (
        "changed the settings",
        "approved a message of",
        "banned",
        "let chat again",
        "made a VIP of",
        "added an emote",
    )

    def is_logged() -> bool:  # behind a queue that keeps no order
        log.get_by_role("button", name="Look again").click()
        return all(log.get_by_role("listitem").filter(has_text=action).count() > 0 for action in done)

    eventually(is_logged, "the log has all that was done", every=1)
    axe_finds_nothing(page)


@pytest.mark.timeout(300)
def test_a_long_log_is_shown_page_by_page(stack: LocalStack, page: Page) -> None:
    stream = stack.create_stream(title="A long log")
    guest = stack.register("guest")
    for number in range(A_PAGE + 1):
        reason = {"reason": f"Number {number}"}
        stream.owner.call("PUT", f"/streams/{stream.stream_id}/chat/bans/{guest.username}", reason)
    path = f"/streams/{stream.stream_id}/moderation-log?limit=100"
    eventually(lambda: len(stream.owner.call("GET", path)["items"]) > A_PAGE, "all of it is written, behind a queue")
    sign_in(page, stack, stream.owner.username)
    log = fold(page, "Moderation log")
    log.get_by_role("button", name="Show more").click()
    expect(log.get_by_role("listitem")).to_have_count(A_PAGE + 1)
    expect(log.get_by_role("button", name="Show more")).to_have_count(0)

"""The pages can be used by everybody: axe finds nothing, a 360 px screen holds them, the keyboard reaches everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.encoders import Picture, encoder, ffmpeg_command
from tests.e2e.local_stack import ROOT, LocalStack, Stream, eventually
from tests.e2e.test_first_light import sign_in

AXE = ROOT / "node_modules/axe-core/axe.min.js"
LOOK_FOR = """async () => {
  const found = await axe.run(document, { resultTypes: ['violations'] });
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`);
}"""


@pytest.fixture(scope="module")
def live(stack: LocalStack) -> Iterator[Stream]:
    stream = stack.create_stream(title="Für alle · للجميع")
    with encoder(ffmpeg_command(stream.publish_url, Picture())):
        stream.wait_for_playlist()
        yield stream
    stream.stop()


def visit(page: Page, stack: LocalStack, live: Stream, which: str) -> None:
    if which == "studio":
        sign_in(page, stack, live.owner.username)
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
    elif which == "watch":
        page.goto(f"{stack.web}/watch/{live.stream_id}")
        expect(page.locator("video")).to_be_attached()
    else:
        page.goto(f"{stack.web}/{'studio' if which == 'sign-in' else ''}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["home", "watch", "sign-in", "studio"])
def test_axe_finds_nothing_and_nothing_sticks_out_of_a_small_screen(
    stack: LocalStack, browser: Browser, live: Stream, which: str, scheme: str, artifacts: Path
) -> None:
    narrow = {"width": 360, "height": 740}
    # axe is put in from outside, which the pages' own policy rightly forbids.
    context = browser.new_context(viewport=narrow, color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()
    visit(page, stack, live, which)
    page.screenshot(path=artifacts / f"{which}-{scheme}-360.png")
    page.add_script_tag(path=AXE)
    assert page.evaluate(LOOK_FOR) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_the_keyboard_alone_mutes_pauses_and_chooses_a_quality(stack: LocalStack, page: Page, live: Stream) -> None:
    visit(page, stack, live, "watch")
    video = page.locator("video")
    expect(page.get_by_label("Quality").locator("option")).not_to_have_count(1)
    reached: set[str] = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName.toLowerCase()"))
    assert {"media-play-button", "media-mute-button", "select", "a"} <= reached
    page.locator("media-play-button").focus()
    page.keyboard.press("Enter")
    eventually(lambda: page.evaluate("document.querySelector('video').paused"), "it pauses")
    page.locator("media-mute-button").focus()
    page.keyboard.press("Enter")
    eventually(lambda: page.evaluate("!document.querySelector('video').muted"), "it is heard")
    assert video.evaluate("v => v.paused")
    page.get_by_label("Quality").focus()
    page.keyboard.press("ArrowDown")
    assert page.get_by_label("Quality").input_value() != "-1"

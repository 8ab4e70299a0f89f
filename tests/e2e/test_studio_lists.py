"""What streamers and viewers do with the lists of a stream, by hand: its clips, its recordings, its people."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.encoders import Picture, encoder, ffmpeg_command
from tests.e2e.local_stack import LocalStack, Stream, eventually
from tests.e2e.test_accessibility import AXE, LOOK_FOR
from tests.e2e.test_first_light import sign_in

PLAYS = "() => document.querySelector('video')?.currentTime > 1"


def fold(page: Page, label: str) -> Locator:
    """A part of the studio, opened."""
    part = page.locator("details", has=page.locator("summary", has_text=label))
    part.locator("summary").click()
    return part


def axe_finds_nothing(page: Page) -> None:
    page.evaluate(AXE.read_text())  # not as a script of the page, which its policy rightly forbids
    assert page.evaluate(LOOK_FOR) == []


def clip_of_what_is_live(page: Page, stack: LocalStack, stream: Stream) -> None:
    page.goto(f"{stack.web}/watch/{stream.stream_id}")
    eventually(lambda: page.evaluate(PLAYS), "it plays", 60)
    page.get_by_role("button", name="Clip the last 30 s").click()
    expect(page.get_by_label("Title of the clip")).to_be_focused()
    page.keyboard.type("As it happened")
    axe_finds_nothing(page)
    page.keyboard.press("Enter")
    page.wait_for_url("**/clips/*")
    expect(page.get_by_role("heading", name="As it happened")).to_be_visible()


def clip_of_the_recording(page: Page) -> None:
    eventually(lambda: page.evaluate(PLAYS), "it plays", 60)
    page.get_by_role("button", name="Clip from here").click()
    page.get_by_label("Title of the clip").fill("Seen again")
    page.get_by_label("Seconds, from").fill("2")
    page.get_by_role("button", name="Make the clip").click()
    page.wait_for_url("**/clips/*")
    expect(page.get_by_role("heading", name="Seen again")).to_be_visible()
    expect(page.get_by_role("region", name="Clips").get_by_role("listitem")).to_contain_text(["As it happened"])


@pytest.mark.timeout(240)
def test_a_streamer_clips_names_hides_and_deletes_a_recording_and_keeps_the_list_of_viewers(
    stack: LocalStack, page: Page
) -> None:
    stream = stack.create_stream(title="Lists")
    friend = stack.register("friend")
    sign_in(page, stack, stream.owner.username)
    with encoder(ffmpeg_command(stream.publish_url, Picture())):
        stream.wait_for_playlist()
        clip_of_what_is_live(page, stack, stream)
        stream.stop()
    broadcast = stream.wait_for_recording()
    page.goto(f"{stack.web}/recordings/{broadcast['id']}")
    clip_of_the_recording(page)

    page.goto(f"{stack.web}/studio")
    recordings = fold(page, "Recordings")
    row = recordings.get_by_role("listitem")
    row.get_by_role("button", name="Rename").click()
    expect(row.get_by_role("textbox")).to_be_focused()
    row.get_by_role("textbox").fill("Named by hand")
    page.keyboard.press("Enter")
    expect(row.get_by_role("heading")).to_have_text("Named by hand")
    expect(row.get_by_role("button", name="Rename")).to_be_focused()
    row.get_by_role("button", name="Make private").click()
    expect(row.get_by_role("button", name="Make public")).to_be_visible()
    expect(row).to_contain_text("Private")
    shown = "document.querySelector('.recordings img')?.naturalWidth > 0"
    eventually(lambda: page.evaluate(shown), "its picture, although it takes a signature", 60)
    friend.call("GET", f"/broadcasts/{broadcast['id']}", expect=404)

    stream.owner.call("PATCH", f"/streams/{stream.stream_id}", {"privacy": "private"})
    viewers = fold(page, "Viewers")
    expect(viewers).to_contain_text("Only you, for now.")
    for name, answer in (("nobody-at-all", "Nobody is called"), (friend.username, "is on the list")):
        viewers.get_by_label("Username").fill(name)
        viewers.get_by_role("button", name="Add").click()
        expect(viewers).to_contain_text(answer)
    friend.call("GET", f"/streams/{stream.stream_id}")
    axe_finds_nothing(page)
    viewers.get_by_role("button", name=f"Remove {friend.username}").click()
    expect(viewers.get_by_label("Username")).to_be_focused()
    expect(viewers.get_by_role("listitem")).to_have_count(0)
    friend.call("GET", f"/streams/{stream.stream_id}", expect=404)

    page.once("dialog", lambda dialog: dialog.dismiss())
    row.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(1)
    page.once("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Delete").click()
    expect(recordings).to_contain_text("Nothing has been recorded yet.")
    assert stream.broadcasts() == []

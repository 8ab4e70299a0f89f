"""A broadcast goes from an encoder to a browser: the picture moves, qualities switch, DASH plays, chat crosses tabs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from websockets.sync.client import ClientConnection, connect

from tests.e2e.encoders import Picture, encoder, ffmpeg_command, gstreamer_command
from tests.e2e.local_stack import LocalStack, Stream, eventually, fetch

FRAME = """() => {
  const video = document.querySelector('video');
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [64, 36];
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 64, 36);
  return Array.from(context.getImageData(0, 0, 64, 36).data).join();
}"""


def picture_moves(page: Page) -> None:
    """The decoded picture changes and the playback position advances."""
    video = page.locator("video")
    expect(video).to_be_attached()
    eventually(lambda: video.evaluate("v => v.readyState >= 2 && v.currentTime > 0"), "the video has a frame")
    began = video.evaluate("v => v.currentTime")
    frames = set()

    def moved() -> bool:
        frames.add(hashlib.sha256(page.evaluate(FRAME).encode()).hexdigest())
        return len(frames) >= 5 and video.evaluate("v => v.currentTime") > began + 2

    eventually(moved, "five different frames and two seconds of playback")


def sign_in(page: Page, stack: LocalStack, username: str) -> None:
    page.goto(f"{stack.web}/studio")
    page.get_by_label("Username or e-mail").fill(username)
    page.get_by_label("Password").fill("correct-horse-battery-staple")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Your streams")).to_be_visible()


@pytest.mark.timeout(240)
def test_a_viewer_sees_the_picture_move_switches_quality_and_chats(
    stack: LocalStack, browser: Browser, page: Page, artifacts: Path
) -> None:
    stream = stack.create_stream(title="First light")
    with encoder(ffmpeg_command(stream.publish_url, Picture(size="1280x720"))):
        stream.wait_for_playlist()
        page.goto(f"{stack.web}/watch/{stream.stream_id}")
        picture_moves(page)
        expect(page.get_by_role("heading", name="First light")).to_be_visible()
        expect(page.locator(".viewer-count")).to_contain_text("1 viewer")

        quality = page.get_by_label("Quality")
        for wanted in ("360p", "720p"):
            quality.select_option(label=wanted)
            expect(quality).to_have_attribute("data-playing", wanted)
            picture_moves(page)
        page.screenshot(path=artifacts / "watch.png")

        other = browser.new_context().new_page()
        talker = stack.register("talker")
        sign_in(other, stack, talker.username)
        other.goto(f"{stack.web}/watch/{stream.stream_id}")
        said = "hello <b>from</b> the other tab ✨"
        other.get_by_role("textbox", name="Message").fill(said)
        other.get_by_role("textbox", name="Message").press("Enter")
        expect(page.locator(".chat li").filter(has_text=said)).to_be_visible()
        expect(page.locator(".chat li").filter(has_text=talker.username)).to_be_visible()
        other.context.close()


@pytest.mark.timeout(180)
def test_dash_plays_in_shaka(stack: LocalStack, page: Page) -> None:
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, Picture())):
        stream.wait_for_playlist()
        page.goto(f"{stack.web}/watch/{stream.stream_id}?format=dash")
        picture_moves(page)


@pytest.mark.timeout(180)
def test_a_second_publisher_implementation_is_served_as_well(stack: LocalStack, page: Page) -> None:
    stream = stack.create_stream()
    with encoder(gstreamer_command(stream.publish_url)):
        stream.wait_for_playlist()
        page.goto(f"{stack.web}/watch/{stream.stream_id}")
        picture_moves(page)


@pytest.mark.timeout(180)
def test_a_player_that_waits_for_what_does_not_come_begins_again(stack: LocalStack, page: Page) -> None:
    stream = stack.create_stream()
    with encoder(ffmpeg_command(stream.publish_url, Picture())):
        stream.wait_for_playlist()
        page.goto(f"{stack.web}/watch/{stream.stream_id}")
        picture_moves(page)
        # As hls.js is when sound begins before there are pictures.
        page.evaluate("headwaterPlayer.engine.audioStreamController.state = 'WAITING_INIT_PTS'")
        position = page.locator("video").evaluate("v => v.currentTime")
        eventually(lambda: page.locator("video").evaluate("v => v.currentTime") > position + 15, "it plays on")
        picture_moves(page)


@pytest.mark.timeout(240)
def test_the_studio_takes_a_streamer_from_nothing_to_live_and_back(
    stack: LocalStack, page: Page, artifacts: Path
) -> None:
    person = stack.register("studio")
    sign_in(page, stack, person.username)
    page.get_by_label("Title").fill("From the studio")
    page.get_by_role("button", name="Create stream").click()
    panel = page.get_by_role("region", name="From the studio")
    expect(panel).to_contain_text("Waiting for an encoder")
    server = panel.get_by_label("Server").input_value()
    key_field = panel.get_by_label("Stream key")
    assert set(key_field.input_value()) == {"•"}
    panel.get_by_role("button", name="Show").click()
    with encoder(ffmpeg_command(f"{server}/{key_field.input_value()}", Picture())) as publisher:
        expect(panel.locator(".badge")).to_have_text("Live")
        page.screenshot(path=artifacts / "studio.png")
        panel.get_by_role("button", name="Stop").click()
        expect(panel.locator(".badge")).to_have_text("Offline")
        eventually(lambda: publisher.poll() is not None, "the encoder is dropped")


@pytest.mark.timeout(180)
def test_a_preview_is_for_its_owner_until_it_is_started(stack: LocalStack) -> None:
    stream = stack.create_stream(auto_start=False)
    stranger = stack.register("stranger")
    with encoder(ffmpeg_command(stream.publish_url, Picture())):
        assert stream.wait_for_status("preview")["playback"]["hls"]
        seen = stranger.call("GET", f"/streams/{stream.stream_id}")
        assert (seen["status"], seen["is_live"], seen["thumbnail_url"]) == ("offline", False, None)
        stream.owner.call("POST", f"/streams/{stream.stream_id}/start")
        stream.wait_for_status("live")
        eventually(lambda: stranger.call("GET", f"/streams/{stream.stream_id}")["status"] == "live", "others see it")


def say(room: ClientConnection, stream: Stream, text: str) -> None:
    """In the stream's room, and wait until it is accepted."""
    for frame in ({"action": "join"}, {"action": "send", "text": text}):
        nonce = f"{frame['action']} {text}"
        room.send(json.dumps({**frame, "stream_id": stream.stream_id, "nonce": nonce}))
        while (answer := json.loads(room.recv(timeout=60))).get("nonce") != nonce:
            pass
        assert answer["type"] != "error", answer


def recording_of(stream: Stream) -> str:
    recording = stream.wait_for_recording()
    assert recording["status"] == "ready", recording
    url: str = recording["playback"]["hls"]
    return url


@pytest.mark.timeout(240)
def test_a_stopped_broadcast_becomes_a_recording_with_its_chat_and_the_live_url_goes(
    stack: LocalStack, page: Page
) -> None:
    stream = stack.create_stream()
    ticket = stream.owner.api.service.chat_ticket().ticket
    with (
        encoder(ffmpeg_command(stream.publish_url, Picture(), seconds=12)) as publisher,
        connect(f"{stack.ws}?ticket={ticket}", proxy=None) as room,
    ):
        live = stream.wait_for_playlist()
        say(room, stream, "in the middle")
        publisher.wait(timeout=120)
        say(room, stream, "at the end")
        stream.wait_for_status("interrupted")
        stream.stop()
    playlist = fetch(recording_of(stream))
    assert playlist.status_code == 200
    assert "no-store" in fetch(live).headers["cache-control"]
    assert fetch(live).status_code == 404
    broadcast = stream.broadcasts()[0]
    assert abs(broadcast["duration"] - 12) <= 2.5, broadcast
    said = eventually(
        lambda: found if len(found := list(stream.owner.api.broadcasts.chat(broadcast["id"]))) == 2 else None,
        "both messages are in the archive",
    )
    page.goto(f"{stack.web}/recordings/{broadcast['id']}")
    picture_moves(page)
    assert said[0].offset > 1  # a segment had to be there before it was said
    for wanted in (0.0, broadcast["duration"], 0.0, said[0].offset):
        page.locator("video").evaluate("(v, to) => { v.pause(); v.currentTime = Math.min(to, v.duration); }", wanted)
        shown = [each.text for each in said if each.offset <= wanted + 0.5]
        expect(page.locator(".chat li [dir]")).to_have_text(shown)

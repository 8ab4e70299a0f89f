"""An encoder that drops and comes back inside the window goes on with the same broadcast, and the player never reloads."""

from __future__ import annotations

import time

import httpx
import pytest
from playwright.sync_api import Page

from tests.e2e.encoders import Picture, encoder, ffmpeg_command
from tests.e2e.local_stack import LocalStack, eventually, fetch
from tests.e2e.test_first_light import picture_moves


@pytest.mark.timeout(300)
def test_the_player_bridges_a_reconnect_and_the_recording_holds_both_parts(stack: LocalStack, page: Page) -> None:
    stream = stack.create_stream(reconnect_window=60)
    with encoder(ffmpeg_command(stream.publish_url, Picture(), seconds=14)) as publisher:
        live = stream.wait_for_playlist()
        page.goto(f"{stack.web}/watch/{stream.stream_id}")
        picture_moves(page)
        page.evaluate("globalThis.notReloaded = true")
        publisher.wait(timeout=120)
    stream.wait_for_status("interrupted")
    first = stream.broadcasts()[0]
    time.sleep(4)  # the gap itself, not a wait for anything

    with encoder(ffmpeg_command(stream.publish_url, Picture(), seconds=16)) as publisher:
        assert stream.wait_for_status("live")["playback"]["hls"] == live
        master = fetch(live).text
        media = httpx.URL(live).join(next(line for line in master.splitlines() if line.endswith(".m3u8")))
        eventually(lambda: "#EXT-X-DISCONTINUITY\n" in fetch(media).text, "a discontinuity")
        position = page.locator("video").evaluate("v => v.currentTime")
        eventually(lambda: page.locator("video").evaluate("v => v.currentTime") > position + 3, "hls.js plays on")
        picture_moves(page)
        assert page.evaluate("globalThis.notReloaded")
        publisher.wait(timeout=120)
    stream.wait_for_status("interrupted")
    stream.stop()
    recording = stream.wait_for_recording()
    assert recording["id"] == first["id"]
    assert len(stream.broadcasts()) == 1
    assert abs(recording["duration"] - 30) <= 2.5, recording


@pytest.mark.timeout(240)
def test_after_the_window_the_broadcast_has_ended_and_the_next_publish_begins_another(stack: LocalStack) -> None:
    stream = stack.create_stream(reconnect_window=3)
    with encoder(ffmpeg_command(stream.publish_url, Picture(), seconds=8)) as publisher:
        stream.wait_for_playlist()
        publisher.wait(timeout=120)
    first = stream.wait_for_recording()
    assert first["status"] == "ready"
    assert abs(first["duration"] - 8) <= 2.5
    with encoder(ffmpeg_command(stream.publish_url, Picture())):
        stream.wait_for_playlist()
        ids = {broadcast["id"] for broadcast in stream.broadcasts()}
        assert len(ids) == 2
    assert fetch(first["playback"]["hls"]).status_code == 200
    stream.stop()

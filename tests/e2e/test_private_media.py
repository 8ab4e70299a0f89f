"""Media that are not for everybody, from an encoder to the CDN: who may not have them is refused there, and in time."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urljoin

import httpx
import m3u8
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.encoders import Picture, encoder, ffmpeg_command
from tests.e2e.local_stack import LocalStack, Person, Stream, eventually, fetch


def watch(person: Person, stream: Stream) -> dict[str, Any]:
    session: dict[str, Any] = person.call("POST", f"/streams/{stream.stream_id}/playback-session")
    return session


def newest_segment(playlist_url: str, cookies: dict[str, str]) -> str:
    """The way that a player takes: multivariant playlist, media playlist, segment."""
    entrance = m3u8.loads(fetch(playlist_url, cookies=cookies).raise_for_status().text)
    media_url = urljoin(playlist_url, entrance.playlists[0].uri)
    media = m3u8.loads(fetch(media_url, cookies=cookies).raise_for_status().text)
    return str(urljoin(media_url, media.segments[-1].uri))


def status(url: str, **options: Any) -> int:
    return fetch(url, **options).status_code


@pytest.mark.timeout(400)
def test_a_stream_that_turns_private_closes_and_lets_in_only_who_is_on_the_list_while_they_are(
    stack: LocalStack,
) -> None:
    stream = stack.create_stream()
    friend, stranger = stack.register("friend"), stack.register("stranger")
    path = f"/streams/{stream.stream_id}"
    with encoder(ffmpeg_command(stream.publish_url, Picture())):
        public = stream.wait_for_playlist()
        known = newest_segment(public, {})
        assert status(known) == 200
        stream.owner.call("PATCH", path, {"privacy": "private"})
        for url in (public, known):
            eventually(lambda url=url: status(url) == 404, f"{url} is closed")  # type: ignore[misc]
        stranger.call("POST", f"{path}/playback-session", expect=404)
        stream.owner.call("PUT", f"{path}/viewers/{friend.username}")
        opened = watch(friend, stream)
        access = opened["access"]
        segment = newest_segment(opened["playback"]["hls"], access["cookies"])
        assert status(segment, cookies=access["cookies"]) == 200
        assert status(f"{segment}?{access['query']}") == 200
        assert status(segment) == 403
        foreign = segment.replace("/private/", "/owner/")
        assert status(foreign, cookies=access["cookies"]) == 403
        stream.owner.call("DELETE", f"{path}/viewers/{friend.username}")
        left_at = time.monotonic()
        friend.call("POST", f"/playback-sessions/{opened['session_id']}/heartbeat", expect=404)
        eventually(lambda: status(segment, cookies=access["cookies"]) == 403, "access has ended", 60, every=1)
        assert time.monotonic() - left_at <= 60


@pytest.mark.timeout(300)
def test_a_preview_is_fetched_by_its_owner_alone_until_start_and_a_deleted_recording_by_nobody(
    stack: LocalStack, page: Page
) -> None:
    stream = stack.create_stream(auto_start=False)
    public = f"{stack.cdn}/{stream.stream_id}/live.m3u8"
    with encoder(ffmpeg_command(stream.publish_url, Picture())):
        stream.wait_for_status("preview")
        opened = watch(stream.owner, stream)
        cookies = opened["access"]["cookies"]
        segment = eventually(lambda: try_segment(opened["playback"]["hls"], cookies), "the preview plays")
        assert status(public) == 404
        assert status(segment.replace("/owner/", "/")) == 404
        page.goto(f"{stack.web}/watch/{stream.stream_id}")
        expect(page.locator(".off")).to_contain_text("offline")
        stream.owner.call("POST", f"/streams/{stream.stream_id}/start")
        for url in (public, segment.replace("/owner/", "/")):  # what was refused is asked anew after a second
            eventually(lambda url=url: status(url) == 200, f"{url} is open to everybody")  # type: ignore[misc]
        clip = stack.register("viewer").call(
            "POST", f"/streams/{stream.stream_id}/clips", {"title": "A moment", "start": 0, "duration": 4}
        )
        assert status(newest_segment(clip["playback"]["hls"], {})) == 200
        page.goto(f"{stack.web}/clips/{clip['id']}")
        playing = "() => { const video = document.querySelector('video'); return video && video.currentTime > 1; }"
        eventually(lambda: page.evaluate(playing), "the clip plays", 60)
        stream.stop()
    recording = stream.wait_for_recording()
    assert recording["status"] == "ready"
    urls = [recording["playback"]["hls"], clip["playback"]["hls"], segment.replace("/owner/", "/")]
    assert [status(url) for url in urls] == [200, 200, 200]
    stream.owner.call("DELETE", f"/broadcasts/{recording['id']}")
    for url in urls:
        eventually(lambda url=url: status(url) == 404, f"{url} is gone", 60)  # type: ignore[misc]


def try_segment(playlist_url: str, cookies: dict[str, str]) -> str | None:
    try:
        return newest_segment(playlist_url, cookies)
    except (httpx.HTTPStatusError, IndexError):
        return None

"""People on the whole stack: a suspension reaches the encoder and the chat socket; an avatar goes from browser to CDN."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.e2e.encoders import Picture, encoder, ffmpeg_command
from tests.e2e.local_stack import ROOT, LocalStack, Person, eventually


def make_admin(stack: LocalStack, person: Person) -> None:
    """As the operator of this stack does."""
    offset = str(httpx.URL(stack.api).port - 8000)  # type: ignore[operator]
    environment = {
        **os.environ,
        "HEADWATER_DATA": str(stack.data),
        "HEADWATER_PORT_OFFSET": offset,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'localstack'}",
    }
    command = [sys.executable, "-m", "localrun", "admin", person.username]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, timeout=60, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(240)
def test_a_suspension_drops_the_encoder_closes_the_chat_and_keeps_the_person_out(stack: LocalStack) -> None:
    admin, person = stack.register("admin"), stack.register("spammer")
    admin.call("GET", "/admin/users", expect=403)
    make_admin(stack, admin)
    stream = stack.create_stream(person)
    ticket = person.call("POST", "/chat/tickets")["ticket"]
    with (
        encoder(ffmpeg_command(stream.publish_url, Picture(size="320x180"))) as publisher,
        connect(f"{stack.ws}?ticket={ticket}", proxy=None) as socket,
    ):
        stream.wait_for_status("live")
        admin.call("POST", f"/admin/users/{person.username}/suspend", {"reason": "Sells sunglasses"})
        try:
            socket.recv(timeout=20)
            raise AssertionError("nothing was said in this socket, and it is still open")
        except ConnectionClosed:
            pass
        eventually(lambda: publisher.poll() is not None, "the encoder is dropped", 20)
    person.call("GET", "/me", expect=401)
    again = subprocess.run(
        ffmpeg_command(stream.publish_url, Picture(size="320x180"), seconds=20),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert again.returncode != 0, "the encoder was let in"
    log = admin.call("GET", f"/admin/audit-log?subject={person.username}&action=user.suspended")["items"]
    assert [(each["actor"], each["reason"]) for each in log] == [(admin.user_id, "Sells sunglasses")]


@pytest.mark.timeout(300)
def test_a_picture_that_is_chosen_in_the_browser_is_shown_to_everybody_re_encoded(
    stack: LocalStack, page: Page
) -> None:
    page.goto(f"{stack.web}/studio")
    page.get_by_role("button", name="Create an account instead").click()
    name = f"Painter_{os.getpid()}"
    page.get_by_label("Username").fill(name)
    page.get_by_label("E-mail").fill(f"{name}@example.com")
    page.get_by_label("Password").fill("grenoble-umbrella-47")
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("link", name=name).click()
    out = io.BytesIO()
    Image.new("RGB", (800, 600), "teal").save(out, "PNG", pnginfo=None)
    page.get_by_label("Picture").set_input_files({"name": "me.png", "mimeType": "image/png", "buffer": out.getvalue()})
    picture = page.get_by_role("img", name="Your picture")
    expect(picture).to_be_visible(timeout=90_000)
    profile = httpx.get(f"{stack.api}/v1/users/{name}").json()
    shown = httpx.get(profile["avatar_url"])
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")
    assert Image.open(io.BytesIO(shown.content)).size == (256, 256)

    page.get_by_label("Picture").set_input_files(
        {"name": "no.png", "mimeType": "image/png", "buffer": b"this is no picture"}
    )
    expect(page.get_by_role("alert")).to_contain_text("JPEG", timeout=90_000)
    expect(picture).to_be_visible()

    page.goto(stack.web)
    page.route("**/v1/auth/logout", lambda route: route.abort())
    with page.expect_event("requestfailed"):  # signed out here all the same, without an error
        page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()

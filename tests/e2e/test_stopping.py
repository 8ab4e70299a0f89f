"""The owner decides when a show begins and ends: a preview is theirs alone, and an encoder that was stopped stays away."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from headwater.domain.publish_pauses import STOPPED_PAUSE_MS
from tests.e2e.encoders import Picture, encoder, ffmpeg_command
from tests.e2e.local_stack import LocalStack, eventually

SMALL = Picture(size="320x180")


@pytest.mark.timeout(300)
def test_a_preview_is_started_then_stopped_and_its_encoder_comes_back_to_a_new_broadcast(stack: LocalStack) -> None:
    stream = stack.create_stream(auto_start=False)
    seen_by_others = f"/v1/streams/{stream.stream_id}"
    with encoder(ffmpeg_command(stream.publish_url, SMALL)) as publisher:
        stream.wait_for_status("preview")
        assert stack.http.get(seen_by_others).json()["status"] == "offline"
        stream.owner.call("POST", f"/streams/{stream.stream_id}/start")
        assert stack.http.get(seen_by_others).json()["status"] == "live"
        stream.stop()
        assert stream.get()["status"] == "offline"
        eventually(lambda: publisher.poll() is not None, "the stopped encoder is dropped")
    while True:  # as encoders do that reconnect by themselves
        with encoder(ffmpeg_command(stream.publish_url, SMALL)) as publisher:
            came = eventually(
                lambda process=publisher: "refused" if process.poll() is not None  # type: ignore[misc]
                else "let in" if stream.get()["status"] == "preview" else None,
                "the encoder that came back is refused or let in",
            )  # fmt: skip
            if came == "let in":
                stream.stop()
                break
    again, first = eventually(lambda: (found := stream.broadcasts())[1:] and found, "history knows both broadcasts")
    away = datetime.fromisoformat(again["started_at"]) - datetime.fromisoformat(first["ended_at"])
    assert away >= timedelta(milliseconds=STOPPED_PAUSE_MS)

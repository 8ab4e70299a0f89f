"""Who may fetch what, by the path and the hot state alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headwater.domain.broadcast import StreamControl, StreamSettings
from headwater.domain.broadcast_events import Configure, Delete, DeleteRecording, Finalised, MediaSeen, Start, Stop
from headwater.domain.ids import BroadcastId, StreamId, new_id
from headwater.domain.media_access import Audience, MediaPath, audience_of, lets_in, media_path
from tests.factories import publish, session_ref, stream_control
from tests.fakes import memory_broadcasts

STREAM, BROADCAST = StreamId("0123456789abcdefghjkmn"), BroadcastId("1123456789abcdefghjkmn")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (f"/{STREAM}/live.m3u8", MediaPath(Audience.EVERYONE, STREAM, None)),
        (f"/private/{STREAM}/live.mpd", MediaPath(Audience.VIEWERS, STREAM, None)),
        (f"/owner/{STREAM}/{BROADCAST}/720p/1-0.m4s", MediaPath(Audience.OWNER, STREAM, BROADCAST)),
        (f"/{STREAM}/{BROADCAST}/clips/{BROADCAST}/index.m3u8", MediaPath(Audience.EVERYONE, STREAM, BROADCAST)),
        (f"/{STREAM}", None),
        (f"/{STREAM[:-1]}/live.m3u8", None),
        (f"/secret/{STREAM}/live.m3u8", None),
        (f"/private/owner/{STREAM}/live.m3u8", None),
        ("/", None),
        ("", None),
        ("/iiiiiiiiiiiiiiiiiiiiii/live.m3u8", None),
    ],
)
def test_a_path_says_whose_entrance_to_which_broadcast_it_is(path: str, found: MediaPath | None) -> None:
    assert media_path(path) == found


def entrances(control: StreamControl | None, broadcast_id: BroadcastId | None) -> list[bool]:
    """Whether the open entrance, the viewers' and the owner's lead there."""
    ways = (Audience.EVERYONE, Audience.VIEWERS, Audience.OWNER)
    return [lets_in(control, MediaPath(way, STREAM, broadcast_id)) for way in ways]


def test_each_entrance_leads_to_what_its_audience_may_watch() -> None:
    control = stream_control()
    private = replace(control, settings=StreamSettings(private=True))
    for which in (None, BROADCAST):
        assert entrances(control, which) == [True, True, True]
        assert entrances(private, which) == [False, True, True]
        assert entrances(replace(private, deleted=True), which) == [False, False, False]
        assert entrances(None, which) == [False, False, False]
    withheld = replace(private, withheld=(BROADCAST,))
    assert entrances(withheld, BROADCAST) == [False, False, True]
    assert entrances(withheld, BroadcastId(new_id())) == [False, True, True]
    assert entrances(replace(control, removed=(BROADCAST,)), BROADCAST) == [False, False, False]


def test_the_life_of_a_preview_as_the_edge_sees_it() -> None:
    control = stream_control(settings=StreamSettings(auto_start=False))
    broadcasts, _, _, clock = memory_broadcasts(control)
    event = publish()

    def seen() -> tuple[Audience, Audience]:
        known = broadcasts.read(control.stream_id)
        return audience_of(known, None), audience_of(known, event.candidate_id)

    assert seen()[0] is Audience.EVERYONE  # nothing is there
    broadcasts.apply(control.stream_id, event)
    assert seen() == (Audience.OWNER, Audience.OWNER)
    broadcasts.apply(control.stream_id, MediaSeen(event.candidate_id, 1))
    broadcasts.apply(control.stream_id, Configure(StreamSettings()))
    assert seen() == (Audience.OWNER, Audience.OWNER)
    broadcasts.apply(control.stream_id, Start())
    assert seen() == (Audience.EVERYONE, Audience.EVERYONE)
    broadcasts.apply(control.stream_id, Stop())
    broadcasts.apply(control.stream_id, Finalised(event.candidate_id, 4.0))
    clock.advance(3_600_000)
    following = publish(session_ref("2"))
    broadcasts.apply(control.stream_id, Configure(StreamSettings(auto_start=False)))
    broadcasts.apply(control.stream_id, following)
    assert seen() == (Audience.OWNER, Audience.EVERYONE)  # the recording stays open beside the next preview
    broadcasts.apply(control.stream_id, Stop())
    broadcasts.apply(control.stream_id, Finalised(following.candidate_id, 4.0))
    clock.advance(3_600_000)
    broadcasts.apply(control.stream_id, Configure(StreamSettings()))
    broadcasts.apply(control.stream_id, publish(session_ref("3")))
    known = broadcasts.read(control.stream_id)
    assert audience_of(known, following.candidate_id) is Audience.OWNER  # never started: for ever
    broadcasts.apply(control.stream_id, DeleteRecording(event.candidate_id))
    assert seen()[1] is Audience.NOBODY
    broadcasts.apply(control.stream_id, Delete())
    assert seen() == (Audience.NOBODY, Audience.NOBODY)

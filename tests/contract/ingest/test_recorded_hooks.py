"""What real nginx-rtmp says, and what the hook function makes of it. Recorded by tests/events/record_hooks.py."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.ingest_hooks.answer_hook import answer_hook
from functions.ingest_hooks.claim_publish import PublishLimits
from functions.ingest_hooks.ingest_event import IngestCall, PublishAccepted, Verdict
from functions.ingest_hooks.nginx_rtmp import parse_hook
from functions.ingest_hooks.wire import SignedBody, read_request
from headwater.broadcasts import Broadcasts
from headwater.domain.broadcast import BroadcastState, StreamControl
from headwater.domain.broadcast_events import Delete, RotateKey, Stop
from headwater.domain.concurrent_broadcasts import Slots
from headwater.domain.ids import UserId
from headwater.domain.publish_pauses import STOPPED_PAUSE_MS
from headwater.domain.publish_rules import IDLE_LIMIT_MS
from headwater.errors import AlreadyPublishing, HookRejected, PublishRefused, TooManyBroadcasts
from headwater.hook_signature import HookOrigin, sign
from tests.events.record_hooks import KEY, SECRET, STREAM_ID, VICTIM_ID
from tests.factories import publish
from tests.fakes import FakeClock, MemoryControls, memory_broadcasts
from tests.hooks_api import http_api_event

FOLDER = Path(__file__).parents[2] / "events/hooks"
HOOK_SECRET = b"a hook secret for contract tests"
BASE = "http://10.0.3.7:1936/sources"
REFUSED_NAMES = sorted(path.stem for path in FOLDER.glob("publish_*.json") if path.stem not in {
    "publish_done", "publish_second", "publish_with_query", "publish_nul",
})  # fmt: skip


def recorded(name: str) -> bytes:
    return str(json.loads((FOLDER / f"{name}.json").read_text())["body"]).encode()


class MemorySlots:
    def __init__(self) -> None:
        self.taken: Slots = {}
        self.version = 0

    def load(self, owner_id: UserId) -> tuple[Slots, int]:
        return self.taken, self.version

    def commit(self, owner_id: UserId, slots: Slots, expected_version: int) -> bool:
        if expected_version != self.version:
            return False
        self.taken, self.version = slots, self.version + 1
        return True


class Secrets:
    def hook_secrets(self, now: int) -> list[bytes]:
        return [HOOK_SECRET]

    def stream_key_secret(self) -> bytes:
        return SECRET


class Api:
    """The whole function on memory: two streams, `stream` and `victim`."""

    def __init__(self) -> None:
        streams = [StreamControl(stream_id=i, owner_id=UserId("owner")) for i in (STREAM_ID, VICTIM_ID)]
        self.slots = MemorySlots()
        self.limits = PublishLimits(broadcasts_per_owner=10, longest_ms=3_600_000)
        self.broadcasts: Broadcasts
        self.store: MemoryControls
        self.clock: FakeClock
        self.broadcasts, self.store, self.outbox, self.clock = memory_broadcasts(*streams)

    def send(self, body: bytes | str, *, node: str = "node-1", occurred_at: int | None = None) -> Any:
        body = recorded(body) if isinstance(body, str) else body
        origin = HookOrigin(node, BASE, self.clock.now if occurred_at is None else occurred_at)
        headers = sign(HOOK_SECRET, origin, body, now=self.clock.now)
        request = read_request(http_api_event(headers, body))
        return answer_hook(request, self.broadcasts, self.slots, self.limits, Secrets(), self.clock)

    @property
    def control(self) -> StreamControl:
        return self.store.items[STREAM_ID]

    @property
    def victim(self) -> StreamControl:
        return self.store.items[VICTIM_ID]


@pytest.mark.parametrize(
    ("name", "call", "key", "age"),
    [
        ("publish", IngestCall.PUBLISH, KEY, None),
        ("publish_second", IngestCall.PUBLISH, KEY, None),
        ("update_publish", IngestCall.UPDATE, KEY, 2),
        ("publish_done", IngestCall.DONE, KEY, None),
        ("publish_with_query", IngestCall.PUBLISH, KEY, None),
        ("update_with_query", IngestCall.UPDATE, KEY, 2),
        ("done_with_query", IngestCall.DONE, KEY, None),
        ("publish_empty_name", IngestCall.PUBLISH, "", None),
        ("publish_path", IngestCall.PUBLISH, "../../../etc/passwd", None),
        ("publish_quotes", IngestCall.PUBLISH, "'\"; drop table streams; --", None),
        ("publish_shell", IngestCall.PUBLISH, "$(id)`id`", None),
        ("publish_not_ascii", IngestCall.PUBLISH, "clé-ключ-鍵", None),
        ("publish_overlong", IngestCall.PUBLISH, "x" * 255, None),  # nginx-rtmp keeps 255 bytes of a name
        ("publish_nul", IngestCall.PUBLISH, KEY, None),  # nginx-rtmp ends a name at NUL: its holder published his key
    ],
)
def test_a_recorded_hook_is_understood(name: str, call: IngestCall, key: str, age: int | None) -> None:
    event = parse_hook(HookOrigin("node-1", BASE, 5), recorded(name))
    assert (event.call, event.key, event.age_seconds) == (call, key, age)
    assert event.client_id.isdigit()
    assert event.client_id != "1"  # what the hostile query said
    assert KEY not in repr(event)


def test_an_owner_with_as_many_broadcasts_as_allowed_is_told_why_no_other_begins() -> None:
    api = Api()
    api.limits = PublishLimits(broadcasts_per_owner=1, longest_ms=60_000)
    api.slots.taken = {VICTIM_ID: 0}
    api.broadcasts.apply(VICTIM_ID, publish())
    with pytest.raises(TooManyBroadcasts):
        api.send("publish")
    assert api.control.broadcast is None
    assert api.control.declined is not None
    assert "at once" in api.control.declined.detail
    api.broadcasts.apply(VICTIM_ID, Stop())
    assert isinstance(api.send("publish"), PublishAccepted)
    began = api.control.broadcast
    assert began is not None
    assert (began.ends_by, api.control.declined) == (began.started_at + 60_000, None)


def test_a_publish_gets_the_claim_and_a_name_that_says_nothing_of_the_key() -> None:
    api = Api()
    accepted = api.send("publish")
    broadcast = api.control.broadcast
    assert broadcast is not None
    assert broadcast.state is BroadcastState.STARTING
    assert isinstance(accepted, PublishAccepted)
    assert re.fullmatch(rf"{broadcast.broadcast_id}-1-[0-9a-f]{{32}}", accepted.stream_name)
    assert broadcast.session is not None
    assert broadcast.session.pull_url == f"{BASE}/{accepted.stream_name}"
    assert KEY not in repr(api.control)


def test_the_same_publish_delivered_twice_gets_the_same_name_and_changes_nothing_more() -> None:
    api = Api()
    now = api.clock.now
    first = api.send("publish", occurred_at=now)
    before = api.control
    api.clock.advance(300)
    assert api.send("publish", occurred_at=now) == first
    assert api.control == before


def test_a_session_that_comes_back_has_the_broadcast_s_id_and_the_next_number_in_its_name() -> None:
    api = Api()
    first = api.send("publish")
    api.clock.advance(100)
    api.send("publish_done")
    api.clock.advance(100)
    second = api.send("publish_second")
    assert first.stream_name.split("-")[:2] == [second.stream_name.split("-")[0], "1"]
    assert second.stream_name.split("-")[1] == "2"


@pytest.mark.parametrize("name", REFUSED_NAMES)
def test_a_wrong_or_hostile_key_is_refused_and_changes_nothing(name: str) -> None:
    api = Api()
    before = dict(api.store.items)
    with pytest.raises(PublishRefused) as refused:
        api.send(name)
    assert refused.value.detail == PublishRefused.default_detail
    assert api.store.items == before
    assert api.store.reads == 1  # the same work as for a right one


def test_every_refused_recording_was_tried() -> None:
    assert len(REFUSED_NAMES) == 6


@given(name=st.text(max_size=300), query=st.text(alphabet="a=&%?nameclientid0", max_size=60))
def test_no_made_up_key_is_ever_accepted(name: str, query: str) -> None:
    api = Api()
    before = dict(api.store.items)
    form = b"app=live&addr=127.0.0.1&clientid=3&call=publish&name=" + name.encode().replace(b"&", b"%26")
    with pytest.raises(PublishRefused):
        api.send(form + b"&type=live&" + query.encode())
    assert api.store.items == before


@pytest.mark.parametrize(
    "spoilt",
    [KEY[:-1] + ("a" if KEY[-1] != "a" else "b"), KEY.upper(), KEY + "a", KEY[:-1], f" {KEY}", f"{KEY}/", KEY + "%00"],
)
def test_a_key_that_is_off_by_a_little_is_refused(spoilt: str) -> None:
    api = Api()
    with pytest.raises(PublishRefused):
        api.send(recorded("publish").replace(KEY.encode(), spoilt.encode()))


def test_a_rotated_key_is_refused() -> None:
    api = Api()
    api.broadcasts.apply(STREAM_ID, RotateKey())
    with pytest.raises(PublishRefused):
        api.send("publish")
    assert api.control.broadcast is None


def test_a_query_that_names_a_victim_only_ever_touches_the_publisher_s_own_stream() -> None:
    api = Api()
    untouched = api.victim
    api.send("publish_with_query")
    api.send("update_with_query")
    api.send("done_with_query")
    assert api.victim == untouched
    assert api.control.broadcast is not None
    assert api.control.broadcast.session is None


def test_a_second_publisher_is_refused_and_its_done_does_not_end_the_first() -> None:
    api = Api()
    api.send("publish")
    holder = api.control
    with pytest.raises(AlreadyPublishing):
        api.send("publish_second")
    second_done = recorded("publish_second").replace(b"call=publish&", b"call=publish_done&")
    assert api.send(second_done) is Verdict.GO_ON
    assert api.control == holder


def test_a_publish_with_an_empty_name_after_the_first_does_not_end_the_session() -> None:
    api = Api()
    api.send("publish")
    holder = api.control
    with pytest.raises(PublishRefused):
        api.send("publish_empty_name")
    assert api.control == holder


def test_a_silent_session_s_claim_is_taken_over() -> None:
    api = Api()
    api.send("publish")
    api.clock.advance(IDLE_LIMIT_MS + 1)
    assert isinstance(api.send("publish_second"), PublishAccepted)


def test_an_update_keeps_the_session_alive() -> None:
    api = Api()
    api.send("publish")
    api.clock.advance(IDLE_LIMIT_MS - 1)
    assert api.send("update_publish") is Verdict.GO_ON
    api.clock.advance(IDLE_LIMIT_MS - 1)
    with pytest.raises(AlreadyPublishing):
        api.send("publish_second")


@pytest.mark.parametrize("event", [RotateKey(), Stop(), Delete()])
def test_an_update_after_the_owner_said_no_drops_the_publisher(event: RotateKey | Stop | Delete) -> None:
    api = Api()
    api.send("publish")
    api.broadcasts.apply(STREAM_ID, event)
    api.clock.advance(2_000)
    assert api.send("update_publish") is Verdict.DROP


def test_after_a_stop_the_same_key_publishes_again_as_a_new_broadcast() -> None:
    api = Api()
    first = api.send("publish")
    api.broadcasts.apply(STREAM_ID, Stop())
    with pytest.raises(PublishRefused):
        api.send("publish_second")
    api.clock.advance(STOPPED_PAUSE_MS)
    second = api.send("publish_second")
    assert first.stream_name.split("-")[0] != second.stream_name.split("-")[0]


def test_an_update_of_a_stream_that_does_not_exist_drops_the_publisher() -> None:
    api = Api()
    del api.store.items[STREAM_ID]
    assert api.send("update_publish") is Verdict.DROP


def test_a_done_after_the_key_was_rotated_still_counts() -> None:
    api = Api()
    api.send("publish")
    api.broadcasts.apply(STREAM_ID, RotateKey())
    api.clock.advance(100)
    api.send("publish_done")
    assert api.control.broadcast is not None
    assert api.control.broadcast.session is None


def test_the_same_client_id_on_another_node_is_another_session() -> None:
    api = Api()
    api.send("publish", node="node-1")
    holder = api.control
    api.clock.advance(100)
    api.send("publish_done", node="node-2")
    assert api.control == holder


@pytest.mark.parametrize(
    ("call", "verdict"),
    [(b"update_play", Verdict.GO_ON), (b"connect", Verdict.GO_ON), (b"play", Verdict.GO_ON), (b"", Verdict.GO_ON)],
)
def test_a_call_that_is_not_about_publishing_changes_nothing(call: bytes, verdict: Verdict) -> None:
    api = Api()
    before = dict(api.store.items)
    assert api.send(recorded("publish").replace(b"call=publish&", b"call=" + call + b"&")) is verdict
    assert api.store.items == before


def test_a_publish_without_a_connection_number_is_rejected() -> None:
    api = Api()
    for client_id in (b"", b"-1", b"1;2", b"9" * 21):
        with pytest.raises(HookRejected):
            api.send(re.sub(rb"clientid=\d+", b"clientid=" + client_id, recorded("publish")))


def test_an_unsigned_hook_is_rejected_before_any_state_is_read() -> None:
    """AVideo's CVE-2026-34731: whoever could reach its hooks could end any broadcast."""
    api = Api()
    with pytest.raises(HookRejected):
        answer_hook(SignedBody({}, recorded("publish")), api.broadcasts, api.slots, api.limits, Secrets(), api.clock)
    assert api.store.reads == 0


def test_a_replayed_hook_changes_nothing() -> None:
    api = Api()
    at = api.clock.now
    api.send("publish", occurred_at=at)
    api.clock.advance(1_000)
    api.send("publish_done", occurred_at=at + 1_000)
    api.clock.advance(1_000)
    ended = api.control
    with pytest.raises(PublishRefused):
        api.send("publish", occurred_at=at)
    api.send("publish_done", occurred_at=at + 1_000)
    assert api.control == ended

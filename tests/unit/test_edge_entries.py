"""The edge's function, the very file, in Node: it lets in whom `media_access` lets in, and in doubt nobody but the owner."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headwater.domain.broadcast import StreamControl, StreamSettings
from headwater.domain.broadcast_events import (
    Configure,
    Delete,
    DeleteRecording,
    Event,
    Finalised,
    MediaSeen,
    Start,
    Stop,
    Withhold,
)
from headwater.domain.edge_entries import edge_entries
from headwater.domain.ids import BroadcastId, StreamId, new_id
from headwater.domain.media_access import ENTRANCES, lets_in, media_path
from tests.factories import NOW, id_made_at, publish, session_ref, stream_control
from tests.fakes import memory_broadcasts

ROOT = Path(__file__).parents[2]
STREAM = StreamId("0123456789abcdefghjkmn")
PAGE = "https://other.example"

# What CloudFront's runtime has: a module `cloudfront` whose store's `get` raises for what is not there.
RUN = """
import vm from 'node:vm';
import fs from 'node:fs';
const { file, origins, cases } = JSON.parse(fs.readFileSync(0));
const source = fs.readFileSync(file, 'utf8').replace('const ORIGINS = []', `const ORIGINS = ${JSON.stringify(origins)}`);
let entries = {};
const store = {
  exists: async (key) => { if (entries === null) throw new Error('away'); return key in entries; },
  get: async (key) => { if (!(key in entries)) throw new Error('KeyNotFound'); return entries[key]; },
};
const shared = vm.createContext({});
const module = new vm.SourceTextModule(`${source}\\nglobalThis.handler = handler;`, { context: shared });
await module.link(() => new vm.SyntheticModule(['default'], function () {
  this.setExport('default', { kvs: () => store });
}, { context: shared }));
await module.evaluate();
const answers = [];
for (const each of cases) {
  entries = each.entries;
  answers.push(await shared.handler(each.event));
}
console.log(JSON.stringify(answers));
"""


def edge_function(file: str, cases: Sequence[tuple[Mapping[str, str] | None, dict[str, Any]]]) -> list[dict[str, Any]]:
    asked = {
        "file": str(ROOT / "infra" / "edge" / file),
        "origins": [PAGE],
        "cases": [{"entries": entries, "event": event} for entries, event in cases],
    }
    ended = subprocess.run(
        ["node", "--experimental-vm-modules", "--no-warnings", "--input-type=module", "-e", RUN],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    answers: list[dict[str, Any]] = json.loads(ended.stdout)
    return answers


def request(uri: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    sent = {name: {"value": value} for name, value in (headers or {}).items()}
    return {"context": {"eventType": "viewer-request"}, "request": {"method": method, "uri": uri, "headers": sent}}


def stored(control: StreamControl | None) -> dict[str, str]:
    return {f"{STREAM}{suffix}": value for suffix, value in edge_entries(control).items()}


def lives() -> list[tuple[StreamControl | None, set[BroadcastId]]]:
    """Controls as they come about, and the broadcasts that there were by then."""
    chance = random.Random(6)
    found: list[tuple[StreamControl | None, set[BroadcastId]]] = [(None, {BroadcastId(new_id())})]
    for auto_start, private in itertools.product((True, False), (True, False)):
        settings = StreamSettings(auto_start=auto_start, private=private)
        broadcasts, _, _, clock = memory_broadcasts(stream_control(stream_id=STREAM, settings=settings))
        known: set[BroadcastId] = set()
        for number in range(4):
            event = publish(session_ref(str(number + 1)), broadcast_id=id_made_at(clock.now))
            current = event.candidate_id
            events: list[Event] = [event, MediaSeen(current, 1)]
            events += [Start()] if chance.random() < 0.6 else []
            events += [Configure(replace(settings, auto_start=chance.random() < 0.5, private=chance.random() < 0.5))]
            events += [Stop(), Finalised(current, 4.0), Withhold(current, withheld=chance.random() < 0.5)]
            events += [DeleteRecording(current)] if chance.random() < 0.3 else []
            for each in events:
                clock.advance(3_600_000)
                broadcasts.apply(STREAM, each)
                known.add(current)
                found.append((broadcasts.read(STREAM), set(known)))
        broadcasts.apply(STREAM, Delete())
        found.append((broadcasts.read(STREAM), known))
    return found


def paths(known: set[BroadcastId]) -> list[str]:
    within = ["live.m3u8", "live.mpd", *(f"{each}/720p/1-0.m4s" for each in sorted(known))]
    return [f"/{entrance}{STREAM}/{each}" for entrance in ENTRANCES.values() for each in within]


def test_the_edge_lets_in_whom_the_rule_lets_in() -> None:
    asked = [(control, path) for control, known in lives() for path in paths(known)]
    answers = edge_function("media.js", [(stored(control), request(path)) for control, path in asked])
    decided = {True: 0, False: 0}
    for (control, path), answer in zip(asked, answers, strict=True):
        found = media_path(path)
        assert found is not None
        opened = "statusCode" not in answer
        wanted = lets_in(control, found)
        if control is not None and found.broadcast_id is None and not control.settings.auto_start:
            active = control.broadcast is not None and control.broadcast.is_active
            if not active:  # nothing is there, and what will be is a preview
                assert opened == (not control.deleted and path.startswith("/owner/"))
                continue
        assert opened == wanted, (path, control)
        decided[opened] += 1
        if opened:
            assert answer["uri"] == path[path.index(f"/{STREAM}") :], "entrances share what the cache has"
        else:
            assert (answer["statusCode"], answer["headers"]["cache-control"]["value"]) == (404, "no-store")
    assert min(decided.values()) > 200, decided


def test_what_begins_after_the_entry_was_written_is_the_owners_where_previews_come_first() -> None:
    first = publish(session_ref("1"), broadcast_id=id_made_at(NOW))
    control = stream_control(stream_id=STREAM, settings=StreamSettings(auto_start=False))
    broadcasts, *_ = memory_broadcasts(control)
    stale = [stored(control)]
    broadcasts.apply(STREAM, first)
    stale.append(stored(broadcasts.read(STREAM)))
    later = id_made_at(NOW + 1)
    answers = edge_function("media.js", [(each, request(f"/{STREAM}/{later}/720p/1-0.m4s")) for each in stale])
    assert [answer.get("statusCode") for answer in answers] == [404, 404]
    answers = edge_function("media.js", [(each, request(f"/owner/{STREAM}/{later}/720p/1-0.m4s")) for each in stale])
    assert [answer.get("uri") for answer in answers] == [f"/{STREAM}/{later}/720p/1-0.m4s"] * 2


def test_hundreds_of_withheld_recordings_fit_into_the_store_and_are_found_again() -> None:
    ids = tuple(BroadcastId(new_id()) for _ in range(500))
    control = stream_control(stream_id=STREAM, withheld=ids, settings=StreamSettings())
    entries = stored(control)
    assert len(entries) <= 33
    assert max(len(value) for value in entries.values()) <= 1024
    others = [new_id() for _ in range(100)]
    answers = edge_function(
        "media.js", [(entries, request(f"/{STREAM}/{each}/index.m3u8")) for each in (*ids, *others)]
    )
    assert [answer.get("statusCode") for answer in answers] == [404] * 500 + [None] * 100
    same_ending = tuple(BroadcastId(new_id()[:-1] + "7") for _ in range(200))
    entries = stored(replace(control, withheld=same_ending))
    assert max(len(value) for value in entries.values()) <= 1024
    answers = edge_function("media.js", [(entries, request(f"/{STREAM}/{same_ending[0]}/index.m3u8"))])
    assert answers[0]["statusCode"] == 404


def test_an_open_stream_takes_no_room_in_the_store() -> None:
    broadcasts, *_ = memory_broadcasts(stream_control(stream_id=STREAM))
    assert edge_entries(broadcasts.read(STREAM)) == {}
    event = publish()
    broadcasts.apply(STREAM, event)
    broadcasts.apply(STREAM, MediaSeen(event.candidate_id, 1))
    assert edge_entries(broadcasts.read(STREAM)) == {}


def test_a_store_that_does_not_answer_opens_nothing_and_a_list_that_has_yet_to_arrive_neither() -> None:
    broadcast = new_id()
    withheld = stored(stream_control(stream_id=STREAM, withheld=(BroadcastId(broadcast),)))
    first_half = {str(STREAM): withheld[STREAM]}
    path = f"/{STREAM}/{broadcast}/index.m3u8"
    answers = edge_function("media.js", [(None, request(path)), (first_half, request(path))])
    assert [answer["statusCode"] for answer in answers] == [503, 404]


@pytest.mark.parametrize(
    "path",
    ["/", f"/{STREAM}", f"/{STREAM}/", f"/{STREAM}//x", f"/{STREAM}/a%2fb", f"/private/owner/{STREAM}/x", "/x/y"],
)
def test_no_other_path_reaches_the_bucket(path: str) -> None:
    assert edge_function("media.js", [({}, request(path))])[0]["statusCode"] == 404


def test_preflights_and_refusals_are_readable_by_pages_that_may_read_media_and_by_no_others() -> None:
    ours = {"origin": PAGE}
    preflight, refused, strange = edge_function(
        "media.js",
        [
            ({}, request(f"/{STREAM}/live.m3u8", method="OPTIONS", headers=ours)),
            (stored(None), request(f"/{STREAM}/live.m3u8", headers=ours)),
            ({}, request(f"/{STREAM}/live.m3u8", method="OPTIONS", headers={"origin": "https://evil.example"})),
        ],
    )
    assert (preflight["statusCode"], refused["statusCode"]) == (204, 404)
    for answer in (preflight, refused):
        assert answer["headers"]["access-control-allow-origin"]["value"] == PAGE
    assert "access-control-allow-origin" not in strange["headers"]


def test_signed_answers_are_for_the_viewers_own_cache() -> None:
    response = {"statusCode": 200, "headers": {"cache-control": {"value": "public, max-age=31536000, immutable"}}}
    event = {"context": {"eventType": "viewer-response"}, "request": {}, "response": response}
    [answer] = edge_function("media.js", [({}, event)])
    assert answer["headers"]["cache-control"]["value"] == "private, max-age=31536000, immutable"


def test_both_functions_are_of_a_size_that_cloudfront_takes() -> None:
    for file in ("media.js", "pages.js"):
        assert (ROOT / "infra" / "edge" / file).stat().st_size < 10_240


def test_addresses_of_pages_lead_to_their_files() -> None:
    files = {
        "/": "/index.html",
        "/studio": "/studio.html",
        "/account/reset": "/account.html",
        f"/watch/{STREAM}": "/watch.html",
        f"/clips/{STREAM}": "/watch.html",
        "/style.css": "/style.css",
        "/watch/short": "/watch/short",
    }
    answers = edge_function("pages.js", [({}, request(path)) for path in files])
    assert [answer["uri"] for answer in answers] == list(files.values())


def test_whatever_changes_what_the_edges_are_told_is_told_to_them() -> None:
    for settings in (StreamSettings(), StreamSettings(auto_start=False), StreamSettings(private=True)):
        broadcasts, _, outbox, _ = memory_broadcasts(stream_control(stream_id=STREAM, settings=settings))
        event = publish()
        for each in (
            event,
            MediaSeen(event.candidate_id, 1),
            Start(),
            Stop(),
            Finalised(event.candidate_id, 4.0),
            Withhold(event.candidate_id, withheld=True),
            Withhold(event.candidate_id, withheld=False),
            Configure(replace(settings, private=not settings.private)),
            Configure(replace(settings, auto_start=not settings.auto_start)),
        ):
            before, told = broadcasts.read(STREAM), len(outbox.stream_news)
            broadcasts.apply(STREAM, each)
            differs = edge_entries(broadcasts.read(STREAM)) != edge_entries(before)
            assert (len(outbox.stream_news) > told) == differs, each

"""What was said during a broadcast, beside its recording: in its time, to whoever may watch it, without what was hidden."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from headwater.adapters.room_scripts import hidden_key
from headwater.adapters.tables import chat_messages
from headwater.domain.broadcast_events import Stop
from headwater.domain.ids import BroadcastId, StreamId, new_id
from headwater.media.timeline import Timeline
from tests.rest_api import Person, RestApi
from tests.timelines import WALL, epoch

# Ten seconds, a pause of 90, and 2.5 seconds more.
EPOCHS = (epoch(1, "720p"), epoch(2, "720p", begins_ms=10_000))


def recorded(api: RestApi, owner: Person, **fields: Any) -> dict[str, Any]:
    """A stream with a recording; `broadcast` in it is that one's id."""
    stream = owner.stream(**fields)
    broadcast_id = api.go_live(stream)
    api.record(Timeline(stream["id"], broadcast_id, EPOCHS))
    api.encoder_leaves(stream)
    api.happen(stream, Stop())
    api.finalise(stream, broadcast_id)
    api.tell_history()
    return {**stream, "broadcast": broadcast_id}


def say(api: RestApi, stream: dict[str, Any], author: Person, *said: tuple[int, str], **fields: Any) -> None:
    """Each at so many milliseconds after the first picture, as the archive has it."""
    with api.services.database.begin() as connection:
        for seq, (after_ms, text) in enumerate(said, start=1):
            message = {
                "message_id": new_id(),
                "stream_id": stream["id"],
                "seq": seq,
                "user_id": author.user["id"],
                "username": author.user["username"],
                "text": text,
                "created_at": datetime.fromtimestamp((WALL + after_ms) / 1000, UTC),
                **fields,
            }
            connection.execute(chat_messages.insert().values(message))


def replay(client: Any, broadcast_id: BroadcastId, **query: Any) -> list[tuple[float, str]]:
    answer = client.get(f"/v1/broadcasts/{broadcast_id}/chat", **query)
    assert answer.status == 200, answer.text
    return [(item["offset"], item["text"]) for item in answer.json["items"]]


def test_messages_stand_where_the_recording_was_when_they_were_said(api: RestApi) -> None:
    owner = api.newcomer()
    stream = recorded(api, owner)
    say(
        api,
        stream,
        owner,
        (-1, "before the first picture"),
        (0, "with the first picture"),
        (3_500, "in the first part"),
        (50_000, "in the pause"),
        (101_000, "in the second part"),
        (110_000, "of the end, some seconds behind"),
        (130_000, "long after"),
    )
    assert replay(api.anonymous, stream["broadcast"]) == [
        (0.0, "with the first picture"),
        (3.5, "in the first part"),
        (10.0, "in the pause"),
        (11.0, "in the second part"),
        (12.5, "of the end, some seconds behind"),
    ]
    middle = replay(api.anonymous, stream["broadcast"], **{"from": "3.5", "to": "11"})
    assert [text for _, text in middle] == ["in the first part", "in the pause"]
    assert replay(api.anonymous, stream["broadcast"], **{"from": "12.6"}) == []
    other = recorded(api, owner)
    assert replay(api.anonymous, other["broadcast"]) == []


def test_it_comes_in_pages_that_neither_skip_nor_repeat_what_was_said_at_once(api: RestApi) -> None:
    owner = api.newcomer()
    stream = recorded(api, owner)
    say(api, stream, owner, *[(1_000 + 1_000 * (n // 3), f"{n}") for n in range(10)])
    path = f"/v1/broadcasts/{stream['broadcast']}/chat"
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.anonymous.get(path, limit="2", **{"from": "1", "to": "60"}, **cursor).json
        seen += [item["text"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [str(n) for n in range(10)]


def test_a_message_is_told_as_in_the_history_of_its_room(api: RestApi) -> None:
    owner = api.newcomer()
    stream = recorded(api, owner)
    say(api, stream, owner, (2_000, "<b>hi</b> 🌊"))
    [replayed] = api.anonymous.get(f"/v1/broadcasts/{stream['broadcast']}/chat").json["items"]
    [remembered] = api.anonymous.get(f"/v1/streams/{stream['id']}/chat/messages").json["items"]
    assert replayed == {**remembered, "offset": 2.0}


def test_what_was_hidden_is_not_shown_whoever_knows_of_it_yet(api: RestApi) -> None:
    owner = api.newcomer()
    stream = recorded(api, owner)
    say(api, stream, owner, *[(1_000 * n, f"{n}") for n in range(1, 7)])
    with api.services.database.begin() as connection:
        connection.execute(chat_messages.update().where(chat_messages.c.seq == 2).values(deleted_at=datetime.now(UTC)))
        rows = connection.execute(chat_messages.select().where(chat_messages.c.stream_id == stream["id"])).all()
    # So far the room alone knows of these: a pair that fills a page, and the last.
    hidden = {row.message_id: "dentry" for row in rows if row.seq in (3, 4, 6)}
    api.services.cache().hset(hidden_key(StreamId(stream["id"])), mapping=hidden)
    path = f"/v1/broadcasts/{stream['broadcast']}/chat"
    page = api.anonymous.get(path, limit="1").json
    assert [item["text"] for item in page["items"]] == ["1"]
    page = api.anonymous.get(path, limit="1", cursor=page["next_cursor"]).json
    assert ([item["text"] for item in page["items"]], page["next_cursor"]) == (["5"], None)


def test_who_may_not_watch_the_recording_may_not_read_along(api: RestApi) -> None:
    owner, friend, stranger = api.newcomer(), api.newcomer(), api.newcomer()
    private = recorded(api, owner, privacy="private")
    say(api, private, owner, (0, "among friends"))
    assert owner.api.put(f"/v1/streams/{private['id']}/viewers/{friend.user['username']}").status == 204
    withheld = recorded(api, owner)
    kept = f"/v1/broadcasts/{withheld['broadcast']}"
    assert owner.api.patch(kept, {"privacy": "private"}).status == 200
    for broadcast_id, readers in ((private["broadcast"], (owner, friend)), (withheld["broadcast"], (owner,))):
        path = f"/v1/broadcasts/{broadcast_id}/chat"
        for client in (api.anonymous, *(each.api for each in (owner, friend, stranger))):
            allowed = any(client is each.api for each in readers)
            answer = client.get(path)
            assert (answer.status, answer.code) == ((200, None) if allowed else (404, "not_found"))
            assert answer.status == client.get(f"/v1/broadcasts/{broadcast_id}").status
    assert owner.api.delete(kept).status == 204
    assert owner.api.get(f"{kept}/chat").status == 404


def test_without_a_recording_there_is_nothing_to_read_along(api: RestApi) -> None:
    owner = api.newcomer()
    stream = owner.stream(record=False)
    broadcast_id = api.go_live(stream)
    api.encoder_leaves(stream)
    api.happen(stream, Stop())
    api.discard(stream, broadcast_id)
    api.tell_history()
    answer = api.anonymous.get(f"/v1/broadcasts/{broadcast_id}/chat")
    assert (answer.status, answer.code) == (409, "not_recorded")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "-1"}, "from"),
        ({"from": "nan"}, "from"),
        ({"from": "inf"}, "from"),
        ({"from": "1e9"}, "from"),
        ({"from": "soon"}, "from"),
        ({"to": "-1"}, "to"),
        ({"from": "2", "to": "1"}, "to"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "1-2-3"}, "cursor"),
        ({"cursor": "999999999999999999-1"}, "cursor"),
        ({"limit": "0"}, "limit"),
    ],
)
def test_what_is_no_time_is_refused_by_its_name(api: RestApi, query: dict[str, str], field: str) -> None:
    stream = recorded(api, api.newcomer())
    answer = api.anonymous.get(f"/v1/broadcasts/{stream['broadcast']}/chat", **query)
    assert (answer.status, [each["field"] for each in answer.json["errors"]]) == (422, [field])

"""What is done seldom, or by nobody's call, by the roles that do it: each is a grant that no other end-to-end test uses."""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from headwater.adapters.chat_connections import ChatConnections
from headwater.adapters.chat_seats import ChatSeats
from headwater.adapters.stream_controls import StreamControls
from headwater.domain.broadcast import Pulse, StreamControl, StreamEventName, StreamNews
from headwater.domain.ids import BroadcastId, ConnectionId, StreamId, new_id
from tests.e2e.local_stack import LocalStack, Person, Stream, eventually
from tests.e2e.stack_logs import aws
from tests.e2e.test_first_light import say

PASSWORD = "correct-horse-battery-staple"


def environment_of(stack: LocalStack, folder: str) -> tuple[str, dict[str, str]]:
    """The name and the variables of `functions/<folder>`, as deployed."""
    for page in aws(stack, "lambda").get_paginator("list_functions").paginate():
        for each in page["Functions"]:
            if each["Description"] == f"functions/{folder}":
                return each["FunctionName"], each["Environment"]["Variables"]
    raise LookupError(folder)


def run(stack: LocalStack, folder: str, event: Mapping[str, Any], **changed: str) -> Any:
    """What an operator or a schedule does; with `changed` variables, for this one time."""
    functions = aws(stack, "lambda")
    name, variables = environment_of(stack, folder)
    if changed:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables | changed})
    try:
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(event))
        assert "FunctionError" not in answer, answer["Payload"].read()
        return json.loads(answer["Payload"].read() or "null")
    finally:
        if changed:
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


@pytest.fixture
def hot_state(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> StreamControls:
    """The table of streams, as whoever writes it has it."""
    for name, value in {
        "AWS_ENDPOINT_URL": stack.emulator,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    return StreamControls(environment_of(stack, "broadcast_sweep")[1]["STREAM_TABLE"])


def left_behind(
    controls: StreamControls, stream: Stream, leave: Callable[[StreamControl], StreamControl]
) -> StreamControl:
    """What a writer has committed who died before telling anybody."""
    control = controls.load(StreamId(stream.stream_id))
    assert control is not None
    left = leave(replace(control, version=control.version + 1))
    assert controls.commit(left, control.version)
    return left


def deleted(broadcast_id: str) -> StreamNews:
    return StreamNews(StreamEventName.RECORDING_DELETED, round(time.time() * 1000), BroadcastId(broadcast_id))


def test_the_sweep_tells_what_a_dead_writer_has_not(stack: LocalStack, hot_state: StreamControls) -> None:
    stream = stack.create_stream()
    left_behind(hot_state, stream, lambda control: replace(control, stream_news=(deleted(new_id()),)))
    run(stack, "broadcast_sweep", {})
    swept = hot_state.load(StreamId(stream.stream_id))
    assert swept is not None
    assert swept.stream_news == ()


def test_a_recording_goes_when_it_is_older_than_the_deployment_keeps_them(
    stack: LocalStack, hot_state: StreamControls
) -> None:
    stream, broadcast_id = stack.create_stream(), new_id()
    ended_at = datetime.now(UTC) - timedelta(days=4000)  # nobody else's is that old
    with psycopg.connect(database_url(stack), autocommit=True) as database:
        database.execute(
            "INSERT INTO broadcasts (id, stream_id, sequence, title, state, public, recording, recorded, started_at, ended_at)"
            " VALUES (%s, %s, 9, 'Of old', 'ended', true, 'ready', true, %s, %s)",
            (broadcast_id, stream.stream_id, ended_at, ended_at),
        )
    assert stream.broadcasts()[0]["id"] == broadcast_id
    pulse = Pulse(BroadcastId(new_id()), 0, 0)  # of a writer who died: whoever writes next sends it
    left_behind(hot_state, stream, lambda control: replace(control, pulses=(pulse,)))
    run(stack, "recording_expiry", {}, RECORDING_RETENTION_DAYS="3650")
    assert stream.broadcasts() == []
    control = hot_state.load(StreamId(stream.stream_id))
    assert control is not None
    assert (control.removed, control.pulses) == ((broadcast_id,), ())


def database_url(stack: LocalStack) -> str:
    secrets = aws(stack, "secretsmanager")
    _, variables = environment_of(stack, "recording_expiry")
    value = json.loads(secrets.get_secret_value(SecretId=variables["DATABASE_SECRET"])["SecretString"])
    return str(value["url"]).replace("postgresql+psycopg://", "postgresql://").partition("?")[0]


def test_an_administrator_is_made_by_whoever_runs_the_deployment(stack: LocalStack) -> None:
    person = stack.register("admin")
    assert run(stack, "grant_admin", {"username": person.username})["roles"] == ["viewer", "admin"]


@pytest.mark.timeout(300)
def test_who_deletes_their_account_had_a_copy_of_it_and_leaves_nothing(stack: LocalStack) -> None:
    person, other = stack.register("leaver"), stack.register("friend")
    for follower, followed in ((person, other), (other, person)):
        follower.call("PUT", f"/users/{followed.username}/follow")
    pictures = [shown_avatar(stack, person, colour) for colour in ("teal", "navy")]
    assert pictures[0] != pictures[1]

    export = asked_twice(stack, person)
    copies = lambda: [each for each in person.call("GET", "/me/exports")["items"] if each["status"] == "ready"]  # noqa: E731
    [found] = eventually(copies, "the copy is ready")
    assert found["id"] == export
    assert httpx.get(found["url"], follow_redirects=True).status_code == 200

    person.call("POST", "/me/deletion", {"password": PASSWORD})
    folders = [f"{kind}/{person.user_id}/" for kind in ("avatars", "exports")]
    buckets = {environment_of(stack, "account_data")[1][name] for name in ("UPLOAD_BUCKET", "MEDIA_BUCKET")}
    eventually(lambda: not [key for each in buckets for key in keys_of(stack, each, *folders)], "no file is left")
    eventually(lambda: not rows_of(stack, person.user_id), "no copy of who follows is left")


def asked_twice(stack: LocalStack, person: Person) -> str:
    """An export, whose answer was lost: the same question brings the same answer. And one that is refused is forgotten."""
    headers = {"Authorization": f"Bearer {person.access_token}", "Idempotency-Key": str(uuid.uuid4())}
    first, second = (stack.http.post("/v1/me/exports", headers=headers) for _ in range(2))
    assert first.json()["id"] == second.json()["id"], (first.text, second.text)
    refused = [
        stack.http.post("/v1/me/deletion", headers=headers | {"Idempotency-Key": "k" * 32}, json={"password": word})
        for word in ("wrong-horse-battery-staple", "wrong-horse-battery-nails")
    ]
    assert [each.status_code for each in refused] == [422, 422], [each.text for each in refused]
    return str(first.json()["id"])


def shown_avatar(stack: LocalStack, person: Person, colour: str) -> str:
    before = person.call("GET", "/me")["avatar_url"]
    person.api.me.send_avatar(picture(colour), "image/png")
    return str(
        eventually(lambda: url if (url := person.call("GET", "/me")["avatar_url"]) != before else None, "a picture")
    )


def keys_of(stack: LocalStack, bucket: str, *prefixes: str) -> list[str]:
    answers = [aws(stack, "s3").list_objects_v2(Bucket=bucket, Prefix=each) for each in prefixes]
    return [each["Key"] for answer in answers for each in answer.get("Contents", ())]


def rows_of(stack: LocalStack, owner_id: str) -> list[Any]:
    """Of the table of rooms, what belongs to a stream or to an account."""
    table = environment_of(stack, "account_data")[1]["ROOM_TABLE"]
    rows: list[Any] = aws(stack, "dynamodb").scan(TableName=table, ConsistentRead=True)["Items"]
    return [row for row in rows if owner_id in json.dumps(row)]


@pytest.mark.timeout(240)
def test_a_room_is_rid_of_sockets_that_are_gone_or_over_and_goes_with_its_stream(
    stack: LocalStack, hot_state: StreamControls
) -> None:
    stream, guest = stack.create_stream(), stack.register("guest")
    stream_id = StreamId(stream.stream_id)
    stream.owner.call("PUT", f"/streams/{stream_id}/chat/bans/{guest.username}", {})
    assert rows_of(stack, stream_id)
    variables = environment_of(stack, "chat_delivery")[1]
    connections = ChatConnections(variables["CONNECTION_TABLE"], ChatSeats(variables["CACHE_URL"]))
    gone = ConnectionId("Gone0123456789=")
    connections.join(stream_id, gone, None, moderates=False)
    with socket_of(stack, stream.owner) as room, socket_of(stack, guest) as babbler:
        say(room, stream, "is anybody there?")
        eventually(lambda: connections.member(stream_id, gone) is None, "who is gone is out")
        with pytest.raises(ConnectionClosed):  # who sends nothing but nonsense
            for _ in range(1000):
                babbler.send("nonsense")
                babbler.recv(timeout=60)
        stream.owner.call("POST", "/auth/logout")
        with pytest.raises(ConnectionClosed):  # whose session has ended, in whichever room
            while True:
                room.recv(timeout=60)
    owner = stack.http.post("/v1/auth/login", json={"login": stream.owner.username, "password": PASSWORD}).json()
    stack.http.delete(
        f"/v1/streams/{stream_id}", headers={"Authorization": f"Bearer {owner['access_token']}"}
    ).raise_for_status()
    eventually(lambda: not rows_of(stack, stream_id), "the room is forgotten")


def test_an_emote_that_is_taken_away_is_fetched_by_nobody(stack: LocalStack) -> None:
    stream = stack.create_stream()
    chat = stream.owner.api.chat
    chat.send_emote(stream.stream_id, "wave", picture("gold"), "image/png")
    ready = lambda: [each for each in chat.emotes(stream.stream_id) if each.name == "wave" and each.status == "ready"]  # noqa: E731
    eventually(ready, "the emote is made")
    bucket = environment_of(stack, "account_data")[1]["MEDIA_BUCKET"]
    assert keys_of(stack, bucket, f"emotes/{stream.stream_id}/")
    chat.remove_emote(stream.stream_id, "wave")
    assert keys_of(stack, bucket, f"emotes/{stream.stream_id}/") == []


def socket_of(stack: LocalStack, person: Person) -> ClientConnection:
    return connect(f"{stack.ws}?ticket={person.call('POST', '/chat/tickets')['ticket']}", proxy=None)


def picture(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(out, "PNG")
    return out.getvalue()

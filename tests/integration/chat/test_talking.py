"""Talking in a room, as API Gateway and SQS see it."""

from __future__ import annotations

import msgspec
import pytest

from functions.ws_chat.wiring import wiring
from headwater.adapters.cache import cache_client
from headwater.adapters.stream_controls import StreamControls
from headwater.domain.ids import StreamId, UserId, new_id
from headwater.domain.server_frames import StreamStatusEvent
from tests.aws import STREAM_TABLE
from tests.chat_backend import ORIGIN, ChatBackend
from tests.factories import stream_control


def test_a_message_is_acknowledged_and_reaches_everyone_in_the_room_once(chat: ChatBackend) -> None:
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    _, reader = chat.connect()
    for connection in (ada, ben, reader):
        chat.join(connection)
    ack = chat.send(ada, "Hello", nonce="n-1")
    assert ack["nonce"] == "n-1"
    assert chat.deliver() == []
    for connection in (ada, ben, reader):
        (event,) = chat.endpoint.events(connection)
        assert event == {
            "type": "message",
            "seq": ack["seq"],
            "id": ack["id"],
            "user": {"id": "user-ada", "username": "ada", "role": "viewer", "badges": []},
            "text": "Hello",
            "emotes": [],
            "reply_to": None,
            "created_at": event["created_at"],
        }


def test_a_message_is_handed_to_the_archive(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    ack = chat.send(ada, "For the record")
    (archived,) = chat.archived()
    assert archived["message_id"] == ack["id"]
    assert archived["seq"] == ack["seq"]
    assert archived["stream_id"] == chat.stream_id
    assert archived["text"] == "For the record"


def test_the_numbers_of_a_room_have_no_hole_from_the_moment_somebody_joined(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    start = chat.join(ada)["seq"]
    assert [chat.send(ada, str(n))["seq"] for n in range(5)] == [start + n for n in range(1, 6)]


def test_who_joins_is_shown_the_latest_messages_and_who_they_are(chat: ChatBackend) -> None:
    owner = chat.signed_in("owen", chat.owner_id)
    joined = chat.join(owner, nonce="j")
    assert joined["you"] == {"user_id": chat.owner_id, "username": "owen", "role": "owner"}
    assert joined["nonce"] == "j"
    assert joined["messages"] == []
    assert "gap" not in joined
    acks = [chat.send(owner, f"message {n}") for n in range(60)]
    _, reader = chat.connect()
    joined = chat.join(reader)
    assert joined["you"] is None
    assert joined["seq"] == acks[-1]["seq"]
    assert [event["seq"] for event in joined["messages"]] == [ack["seq"] for ack in acks[-50:]]
    assert joined["messages"][0]["user"]["role"] == "owner"
    assert joined["messages"][0]["user"]["badges"] == ["owner"]


def test_who_resumes_gets_exactly_what_was_missed(chat: ChatBackend) -> None:
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    chat.join(ada)
    seen = chat.send(ada, "seen")["seq"]
    missed = [chat.send(ada, f"missed {n}")["seq"] for n in range(70)]
    joined = chat.join(ben, after_seq=seen)
    assert [event["seq"] for event in joined["messages"]] == missed
    assert joined["seq"] == missed[-1]
    assert "gap" not in joined
    nothing_missed = chat.join(ben, after_seq=missed[-1])
    assert nothing_missed["messages"] == []
    assert "gap" not in nothing_missed


def test_what_was_missed_and_does_not_fit_into_one_frame_follows_in_order(chat: ChatBackend) -> None:
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    start = chat.join(ada)["seq"]
    sent = [chat.send(ada, "\U0001f30a" * 500)["seq"] for _ in range(40)]
    body = msgspec.json.encode({"action": "join", "stream_id": chat.stream_id, "after_seq": start}).decode()
    assert chat.say(ben, body) is None
    frames = [msgspec.json.decode(frame) for frame in chat.endpoint.frames[ben]]
    assert [frame["type"] for frame in frames] == ["joined"] + ["events"] * (len(frames) - 1)
    assert len(frames) > 1
    assert all(len(frame.encode()) <= 32 * 1024 for frame in chat.endpoint.frames[ben])
    assert frames[0]["seq"] == frames[0]["messages"][-1]["seq"]
    events = frames[0]["messages"] + [event for frame in frames[1:] for event in frame["events"]]
    assert [event["seq"] for event in events] == sent


def test_who_missed_more_than_the_log_holds_is_told_of_the_gap(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    start = chat.join(ada)["seq"]
    for n in range(1002):
        chat.rooms.append(chat.stream_id, StreamStatusEvent(status=f"change {n}", at="2027-01-15T08:00:00.000Z"))
    joined = chat.join(ada, after_seq=start)
    assert joined["gap"] is True
    assert joined["seq"] == start + 1002
    assert [event["seq"] for event in joined["messages"]] == list(range(start + 953, start + 1003))
    assert "gap" not in chat.join(ada, after_seq=start + 2 + 900)


def test_a_room_whose_cache_was_flushed_counts_on_above_and_says_gap(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    before = chat.send(ada, "before")["seq"]
    chat.deliver()
    cache_client(chat.cache_url).flushall(target_nodes="all")
    after = chat.send(ada, "after")["seq"]
    assert after > before
    joined = chat.join(chat.signed_in("ben"), after_seq=before)
    assert joined["gap"] is True
    assert [event["text"] for event in joined["messages"]] == ["after"]
    chat.deliver()
    assert [event["text"] for event in chat.endpoint.events(ada)] == ["before", "after"]


def test_a_message_sent_again_under_its_nonce_is_accepted_once(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    first = chat.send(ada, "once", nonce="same")
    again = chat.send(ada, "once", nonce="same")
    assert again == first
    chat.deliver()
    assert len(chat.endpoint.events(ada)) == 1
    assert {message["message_id"] for message in chat.archived()} == {first["id"]}


def test_who_leaves_hears_no_more_and_may_not_speak(chat: ChatBackend) -> None:
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    chat.join(ada)
    chat.join(ben)
    assert chat.frame(ben, "leave", nonce="l") == {"type": "ack", "nonce": "l"}
    chat.send(ada, "without ben")
    chat.deliver()
    assert chat.endpoint.events(ben) == []
    assert chat.frame(ben, "send", text="still here?", nonce="s")["code"] == "not_joined"


def test_a_closed_socket_is_in_no_room_any_more(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    chat.disconnect(ada)
    assert list(chat.connections.members(chat.stream_id)) == []
    assert chat.connections.chatter(ada) is None  # type: ignore[arg-type]


def test_a_ticket_works_once(chat: ChatBackend) -> None:
    ticket = chat.ticket("ada")
    assert chat.connect(ticket)[0] == 200
    assert chat.connect(ticket)[0] == 401


@pytest.mark.parametrize("ticket", ["", "unknown", "x" * 5000, "{a}", "a b\r\n"])
def test_a_ticket_that_never_was_opens_nothing(chat: ChatBackend, ticket: str) -> None:
    assert chat.connect(ticket)[0] == 401


def test_only_pages_of_ours_open_a_socket(chat: ChatBackend) -> None:
    assert chat.connect(origin=ORIGIN)[0] == 200
    assert chat.connect(origin=None)[0] == 200
    for origin in ("https://evil.example", "null", f"{ORIGIN}.evil.example", "https://headwater.example:444", ""):
        assert chat.connect(origin=origin)[0] == 403


def test_a_refused_page_does_not_use_up_the_ticket(chat: ChatBackend) -> None:
    ticket = chat.ticket("ada")
    assert chat.connect(ticket, origin="https://evil.example")[0] == 403
    assert chat.connect(ticket)[0] == 200


def test_without_a_ticket_a_socket_only_reads(chat: ChatBackend) -> None:
    _, reader = chat.connect()
    chat.join(reader)
    answer = chat.frame(reader, "send", text="hi", nonce="n")
    assert (answer["type"], answer["code"], answer["nonce"]) == ("error", "unauthenticated", "n")


def test_a_room_needs_a_stream(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    assert chat.frame(ada, "join", stream_id=new_id())["code"] == "not_found"


def test_site_moderators_are_moderators_in_every_room(chat: ChatBackend) -> None:
    mona = chat.signed_in("mona", roles=("moderator", "viewer"))
    assert chat.join(mona)["you"]["role"] == "moderator"
    other = StreamId(new_id())
    chat.create_stream(other, UserId(new_id()))
    assert chat.join(mona, stream_id=other)["you"]["role"] == "moderator"


def test_whom_the_owner_named_moderates_this_room_alone(chat: ChatBackend) -> None:
    mona, named = chat.signed_in("mona"), StreamId(new_id())
    StreamControls(STREAM_TABLE).create(stream_control(stream_id=named, moderators=(UserId("user-mona"),)))
    assert chat.join(mona, stream_id=named)["you"]["role"] == "moderator"
    assert chat.join(mona)["you"]["role"] == "viewer"


def test_who_sends_too_quickly_is_told_when_to_go_on(chat: ChatBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_MESSAGE_BURST", "3")
    monkeypatch.setenv("CHAT_MESSAGES_PER_MINUTE", "6")
    wiring.cache_clear()
    ada, ben = chat.signed_in("ada"), chat.signed_in("ben")
    chat.join(ada)
    chat.join(ben)
    for _ in range(3):
        chat.send(ada, "quick")
    answer = chat.frame(ada, "send", text="too quick", nonce="n")
    assert answer["code"] == "rate_limited"
    assert 1 <= answer["retry_after"] <= 10
    chat.send(ben, "not me")


def test_ten_wrong_frames_in_a_row_close_the_socket(chat: ChatBackend) -> None:
    ada = chat.signed_in("ada")
    for _ in range(9):
        answer = chat.say(ada, "not json")
        assert answer is not None
        assert answer["code"] == "bad_frame"
    assert chat.frame(ada, "ping") == {"type": "pong"}
    for _ in range(9):
        chat.say(ada, '{"action":"dance"}')
    assert chat.endpoint.closed == []
    assert chat.say(ada, '{"action":"dance"}') is None
    assert chat.endpoint.closed == [ada]
    assert msgspec.json.decode(chat.endpoint.frames[ada][-1])["code"] == "unknown_action"


def test_without_the_cache_frames_get_an_answer_and_the_socket_stays(
    chat: ChatBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = chat.signed_in("ada")
    chat.join(ada)
    monkeypatch.setenv("CACHE_URL", "redis://127.0.0.1:1")
    wiring.cache_clear()
    assert chat.frame(ada, "send", text="hello?", nonce="n")["code"] == "dependency_unavailable"
    assert chat.frame(ada, "ping") == {"type": "pong"}
    answer = chat.say(ada, "not json")
    assert answer is not None
    assert answer["code"] == "bad_frame"
    assert chat.connect(chat.ticket("ben"))[0] == 503
    assert chat.connect()[0] == 200


def test_the_room_of_a_private_stream_is_there_for_its_owner_only(chat: ChatBackend) -> None:
    private = StreamId(new_id())
    chat.create_stream(private, chat.owner_id, private=True)
    _, anonymous = chat.connect()
    for stranger in (anonymous, chat.signed_in("ben"), chat.signed_in("root", roles=("admin",))):
        refusal = chat.frame(stranger, "join", stream_id=private)
        assert (refusal["type"], refusal["code"]) == ("error", "not_found")
        assert chat.frame(stranger, "send", stream_id=private, text="hi", nonce="n")["code"] == "not_joined"
    assert chat.join(chat.signed_in("owen", chat.owner_id), stream_id=private)["you"]["role"] == "owner"

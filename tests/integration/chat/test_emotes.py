"""Emotes in a room: found by the server, the built-in ones and the stream's own."""

from __future__ import annotations

from headwater.adapters.chat_tickets import ChatTickets
from headwater.adapters.follower_mirror import FollowerMirror
from headwater.adapters.room_emotes import RoomEmotes
from headwater.domain.chat import Chatter
from headwater.domain.emotes import Emote, EmoteState
from headwater.domain.ids import UserId, new_id
from tests.aws import ROOM_TABLE
from tests.chat_backend import ChatBackend


def own_emote(chat: ChatBackend, name: str, state: EmoteState = EmoteState.READY) -> str:
    emote = Emote(new_id(), name, state, created_by=chat.owner_id, created_at_ms=1_800_000_000_000)
    assert RoomEmotes(ROOM_TABLE).put(chat.stream_id, emote, before=None)
    return emote.emote_id


def test_emotes_are_sent_as_ranges_of_the_text_to_everyone_and_to_the_archive(chat: ChatBackend) -> None:
    otter = own_emote(chat, "otterHi")
    own_emote(chat, "notYet", EmoteState.PENDING)
    ada = chat.signed_in("ada")
    chat.join(ada)
    chat.send(ada, "👋 hwWave otterHi notYet")
    chat.deliver()
    (event,) = chat.endpoint.events(ada)
    wanted = [
        {"id": "hwWave", "name": "hwWave", "start": 2, "end": 8},
        {"id": otter, "name": "otterHi", "start": 9, "end": 16},
    ]
    assert event["emotes"] == wanted
    (archived,) = chat.archived()
    assert archived["emotes"] == wanted
    assert archived["badges"] == event["user"]["badges"]


def test_an_emote_is_changed_only_by_who_knows_what_it_is(chat: ChatBackend) -> None:
    emotes = RoomEmotes(ROOM_TABLE)
    first, second = (Emote(new_id(), "otterHi", EmoteState.PENDING, chat.owner_id, 1_800_000_000_000) for _ in "12")
    assert emotes.put(chat.stream_id, first, before=None)
    assert not emotes.put(chat.stream_id, second, before=None)
    assert not emotes.put(chat.stream_id, second, before=second)
    assert emotes.put(chat.stream_id, second, before=first)
    assert emotes.of_stream(chat.stream_id) == [second]
    emotes.remove(chat.stream_id, "otterHi")
    emotes.remove(chat.stream_id, "otterHi")
    assert emotes.of_stream(chat.stream_id) == []


def test_badges_tell_what_somebody_is_in_the_room_and_that_they_are_verified_and_follow(chat: ChatBackend) -> None:
    FollowerMirror(ROOM_TABLE).put(chat.owner_id, UserId("user-ada"), 1_800_000_000_000)
    ticket = ChatTickets(chat.cache_url).issue(Chatter(UserId("user-ada"), "ada", verified=True), "session")
    ada, ben, owner = chat.connect(ticket)[1], chat.signed_in("ben"), chat.signed_in("owen", chat.owner_id)
    for connection in (ada, ben, owner):
        chat.join(connection)
        chat.send(connection, "Who am I?")
    chat.deliver()
    badges = {event["user"]["username"]: event["user"]["badges"] for event in chat.endpoint.events(ada)}
    assert badges == {"ada": ["verified", "follower"], "ben": [], "owen": ["owner"]}

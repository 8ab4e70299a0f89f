"""A stream that is on the air, and one of everybody who could ask the API for something about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from functions.api.dependencies import look_up_caller
from headwater.adapters.held_messages import HeldMessage
from headwater.broadcasts import unix_ms
from headwater.contracts import ChatMessageArchived
from headwater.domain.accounts import Role
from headwater.domain.chat import Chatter, RoomRole
from headwater.domain.clips import ClipId
from headwater.domain.emotes import Emote, EmoteState
from headwater.domain.ids import BroadcastId, MessageId, StreamId, UserId, new_id
from headwater.domain.server_frames import message_event
from headwater.domain.sign_in_providers import ProvenIdentity
from tests.rest_api import Person, RestApi


@dataclass(frozen=True)
class World:
    people: dict[str, Person]
    names: dict[str, str]  # of whatever stands in a path

    @classmethod
    def of(cls, api: RestApi, privacy: str) -> World:
        people = {
            "suspended": api.newcomer(),
            "other": api.newcomer(),
            "moderator": api.newcomer(),
            "admin": api.newcomer(Role.ADMIN),
            "owner": api.newcomer(),
        }
        owner, stranger = people["owner"], api.newcomer()
        stream = owner.stream(privacy=privacy)
        broadcast_id = api.go_live(stream)
        api.tell_history()
        named = f"/v1/streams/{stream['id']}/moderators/{people['moderator'].user['username']}"
        assert owner.api.put(named).status == 204
        suspend = f"/v1/admin/users/{people['suspended'].user['username']}/suspend"
        assert people["admin"].api.post(suspend, {"reason": "Spam"}).status == 200
        names = {
            "stream_id": stream["id"],
            "broadcast_id": broadcast_id,
            "username": stranger.user["username"],
            "clip_id": a_clip(api, broadcast_id, owner),
            "message_id": a_message(api, StreamId(stream["id"]), stranger),
            "name": an_emote(api, stream["id"], owner),
            "role": "moderator",
            "session_id": owner.api.post(f"/v1/streams/{stream['id']}/playback-session").json["session_id"],
            "sign_in_id": owner.api.get("/v1/auth/sessions").json["items"][0]["id"],
            "provider": "acme",
            "identity_id": linked_identity(api, owner),
            "token_id": owner.api.post("/v1/me/tokens", {"name": "A bot", "scopes": ["read:account"]}).json["id"],
        }
        return cls(people, names)

    def path(self, template: str) -> str:
        names = self.names
        if template.startswith("/v1/auth/sessions"):
            names = {**names, "session_id": names["sign_in_id"]}
        return template.format(**names)


def looks_at_tokens(dependant: Any) -> bool:
    """Whether a route asks who is calling."""
    return any(each.call is look_up_caller or looks_at_tokens(each) for each in dependant.dependencies)


def a_clip(api: RestApi, broadcast_id: BroadcastId, maker: Person) -> str:
    clip_id = ClipId(new_id())
    with api.services.unit_of_work() as unit:
        unit.clips.add(clip_id, broadcast_id, UserId(maker.user["id"]), "A clip", 0.0, 30.0, None)
    return clip_id


def an_emote(api: RestApi, stream_id: str, maker: Person, name: str = "Otter2") -> str:
    emote = Emote(new_id(), name, EmoteState.READY, created_by=maker.user["id"], created_at_ms=1_800_000_000_000)
    assert api.services.emotes.put(StreamId(stream_id), emote, before=None)
    return name


def a_message(api: RestApi, stream_id: StreamId, author: Person) -> MessageId:
    """One that was said in the stream's chat; and, under the same id, one that waits for a moderator."""
    chatter = Chatter(UserId(author.user["id"]), author.user["username"])
    message_id, now = MessageId(new_id()), unix_ms()
    said = message_event(message_id, chatter, RoomRole.VIEWER, "Hello", (), None, now)
    api.services.rooms.append(stream_id, said)
    archived = ChatMessageArchived(
        stream_id=stream_id, seq=0, message_id=message_id, user_id=chatter.user_id, username=chatter.username,
        text="Hello", reply_to=None, created_at=now,
    )  # fmt: skip
    api.services.held_messages.add(stream_id, HeldMessage(message=said, archived=archived))
    return message_id


def linked_identity(api: RestApi, owner: Person) -> str:
    identity_id = new_id()
    proven = ProvenIdentity("acme", "https://acme.example", owner.user["id"])
    with api.services.unit_of_work() as unit:
        unit.identities.link(identity_id, owner.user["id"], proven, datetime.now(UTC))
    return identity_id

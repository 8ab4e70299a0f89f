"""Every list that the API has reads no more than it shows, on a site that is full of everything."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from headwater.adapters.stream_controls import StreamControls
from headwater.domain.accounts import Role
from headwater.domain.ids import BroadcastId, StreamId, UserId
from headwater.media.timeline import Timeline
from tests.api_description import operations
from tests.aws import STREAM_TABLE
from tests.factories import stream_control
from tests.postgres_server import PostgresServer
from tests.query_plans import assert_indexed, explained
from tests.rest_api import Person, RestApi
from tests.stream_rows import write_many
from tests.timelines import epoch

# One of each kind for every stream and account; streams and accounts have the same ids.
_CROWD = """
INSERT INTO clips (id, stream_id, broadcast_id, maker_id, title, start_seconds, duration_seconds)
  SELECT b.id, b.stream_id, b.id, s.owner_id, 'A moment', 0, 30 FROM broadcasts b JOIN streams s ON s.id = b.stream_id;
INSERT INTO chat_messages (message_id, stream_id, seq, user_id, username, text, created_at)
  SELECT id, id, 1, owner_id, 'somebody', 'words', now() FROM streams;
INSERT INTO stream_moderators (stream_id, user_id) SELECT s.id, u.id FROM streams s JOIN users u ON u.id = s.id;
INSERT INTO stream_vips (stream_id, user_id) SELECT s.id, u.id FROM streams s JOIN users u ON u.id = s.id;
INSERT INTO moderation_log (id, stream_id, action, actor_id, user_id, created_at)
  SELECT id, id, 'ban', owner_id, id, now() FROM streams;
INSERT INTO stream_viewers (stream_id, user_id) SELECT s.id, u.id FROM streams s JOIN users u ON u.id = s.id;
INSERT INTO follows (follower_id, followee_id, id)
  SELECT id, lpad(((id::bigint * 7919) % 20000)::text, 22, '0'), id FROM streams
  WHERE (id::bigint * 7919) % 20000 NOT IN (0, id::bigint);
INSERT INTO sessions (id, user_id, expires_at) SELECT id, id, now() + interval '1 day' FROM streams;
INSERT INTO identities (id, user_id, provider, issuer, subject) SELECT id, id, 'acme', 'https://acme.example', id FROM streams;
INSERT INTO personal_tokens (id, user_id, name, token_hash, scopes, expires_at)
  SELECT id, id, 'Bot', decode(md5(id), 'hex'), '{read:account}', now() + interval '1 day' FROM streams;
INSERT INTO account_exports (id, user_id, state) SELECT id, id, 'ready' FROM streams;
INSERT INTO audit_log (id, actor_id, action, subject_kind, subject_id)
  SELECT id, id, 'user.verified', 'user', lpad((id::bigint / 2)::text, 22, '0') FROM streams;
VACUUM ANALYZE
"""
SOMEBODY = "streamer_77"
STREAM = "51".rjust(22, "0")  # is live, and has been
RECORDING = "102".rjust(22, "0")  # of it
LISTS: dict[str, tuple[dict[str, Any], ...]] = {
    "/v1/streams": ({"sort": "viewers"}, {"q": "chess"}),
    "/v1/streams/{stream_id}/broadcasts": ({},),
    "/v1/streams/{stream_id}/clips": ({},),
    "/v1/streams/{stream_id}/chat/messages": ({},),
    "/v1/broadcasts/{broadcast_id}/chat": ({}, {"from": 1, "to": 60}),
    "/v1/streams/{stream_id}/moderators": ({},),
    "/v1/streams/{stream_id}/viewers": ({},),
    "/v1/streams/{stream_id}/vips": ({},),
    "/v1/streams/{stream_id}/emotes": ({},),
    "/v1/streams/{stream_id}/chat/bans": ({},),
    "/v1/streams/{stream_id}/chat/held": ({},),
    "/v1/streams/{stream_id}/moderation-log": ({},),
    "/v1/broadcasts": ({},),
    "/v1/categories": ({}, {"q": "chess"}),
    "/v1/users/{username}/followers": ({},),
    "/v1/me/following": ({},),
    "/v1/me/identities": ({},),
    "/v1/me/tokens": ({},),
    "/v1/me/exports": ({},),
    "/v1/auth/sessions": ({},),
    "/v1/admin/users": ({}, {"q": "streamer_1"}, {"role": "admin"}),
    "/v1/admin/audit-log": ({}, {"actor": SOMEBODY}, {"subject": SOMEBODY}),
}
_CONFIGURED = {"/v1/auth/oauth/providers"}
_PAGE_SIZED = {"categories", "live_rankings"}


@pytest.fixture(scope="module")
def somebody(deployed: RestApi, postgres: PostgresServer) -> Person:
    """An administrator, and the owner of `STREAM`."""
    admin = deployed.newcomer(Role.ADMIN)
    write_many(postgres.plain_url, streams=20_000, live=400, owners=20_000)
    with psycopg.connect(postgres.plain_url, autocommit=True) as connection:
        connection.execute("UPDATE streams SET owner_id = %s WHERE id = %s", (admin.user["id"], STREAM))
        for statement in _CROWD.split(";"):
            connection.execute(statement.encode())
    owner = UserId(admin.user["id"])
    StreamControls(STREAM_TABLE).create(stream_control(stream_id=StreamId(STREAM), owner_id=owner))
    deployed.record(Timeline(StreamId(STREAM), BroadcastId(RECORDING), (epoch(1, "720p"),)))
    return admin


def test_no_list_is_forgotten_here(deployed: RestApi) -> None:
    document = deployed.anonymous.get("/v1/openapi.json").json
    named = document["components"]["schemas"]
    lists = {
        found.path
        for found in operations(document)
        for answer in found.answers
        if "next_cursor" in named.get(answer.get("$ref", "").rpartition("/")[2], {}).get("properties", {})
    }
    assert lists - _CONFIGURED == set(LISTS)


@pytest.mark.parametrize("path", LISTS)
def test_every_list_is_found_by_an_index(deployed: RestApi, somebody: Person, path: str) -> None:
    asked = path.format(stream_id=STREAM, broadcast_id=RECORDING, username=SOMEBODY)
    for query in LISTS[path]:
        with explained(deployed.services.database.engine) as plans:
            page = somebody.api.get(asked, limit=1, **query)
            assert page.status == 200, page.text
            if page.json["next_cursor"] is not None:
                assert somebody.api.get(asked, limit=1, cursor=page.json["next_cursor"], **query).status == 200
        assert_indexed(plans, _PAGE_SIZED)

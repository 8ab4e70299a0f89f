"""Lists of people read no more than they show, however many people there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import Connection

from headwater.adapters.account_records import AccountRecords
from headwater.adapters.administered_users import AdministeredUsers
from headwater.adapters.audit_log import AuditLog
from headwater.adapters.follows import Follows
from headwater.adapters.personal_tokens import PersonalTokens
from headwater.adapters.postgres import Database
from headwater.domain.accounts import Role
from headwater.domain.audit import Action
from headwater.domain.ids import UserId
from headwater.domain.personal_tokens import new_personal_token
from tests.postgres_server import PostgresServer
from tests.query_plans import assert_indexed, explained

SOMEBODY = UserId("user-00077")
CROWD = """
INSERT INTO users (id, username, email, roles)
  SELECT 'user-' || lpad(n::text, 5, '0'), 'person_' || n, 'person_' || n || '@example.org',
         CASE WHEN n % 5000 = 0 THEN '{viewer,admin}' ELSE '{viewer}' END::text[]
  FROM generate_series(1, 20000) n;
INSERT INTO follows (follower_id, followee_id, id)
  SELECT 'user-' || lpad((1 + n % 20000)::text, 5, '0'),
         'user-' || lpad((1 + (n * 7919 + n / 20000) % 20000)::text, 5, '0'), 'f' || n
  FROM generate_series(1, 60000) n
  WHERE (1 + n % 20000) <> (1 + (n * 7919 + n / 20000) % 20000) ON CONFLICT DO NOTHING;
INSERT INTO personal_tokens (id, user_id, name, token_hash, scopes, expires_at)
  SELECT 't' || n, 'user-' || lpad(n::text, 5, '0'), 'Bot', decode(md5(n::text), 'hex'), '{read:account}',
         now() + interval '1 day'
  FROM generate_series(1, 20000) n;
INSERT INTO audit_log (id, actor_id, action, subject_kind, subject_id)
  SELECT 'a' || n, 'user-' || lpad((1 + n % 20000)::text, 5, '0'), 'users.searched', 'user',
         'user-' || lpad((1 + n % 999)::text, 5, '0')
  FROM generate_series(1, 40000) n;
INSERT INTO chat_messages (message_id, stream_id, seq, user_id, username, text, created_at)
  SELECT 'm' || n, 'a stream', n, 'user-' || lpad((1 + n % 20000)::text, 5, '0'), 'a name', 'words', now()
  FROM generate_series(1, 40000) n;
ANALYZE
"""

LISTS: dict[str, Callable[[Connection], object]] = {
    "followers": lambda c: Follows(c).followers(SOMEBODY, None, 25),
    "followers, further": lambda c: Follows(c).followers(SOMEBODY, "f50000", 25),
    "following": lambda c: Follows(c).following(SOMEBODY, None, 25),
    "how many one follows": lambda c: Follows(c).count(SOMEBODY),
    "tokens": lambda c: PersonalTokens(c).of_user(SOMEBODY, None, 25),
    "a token that is shown": lambda c: PersonalTokens(c).show(new_personal_token(), datetime.now(UTC)),
    "accounts": lambda c: AdministeredUsers(c).search(None, None, None, None, 25),
    "accounts by name": lambda c: AdministeredUsers(c).search("person_123", None, None, None, 25),
    "administrators": lambda c: AdministeredUsers(c).search(None, Role.ADMIN, None, None, 25),
    "who can administer": lambda c: AdministeredUsers(c).hold_admins(),
    "the audit log": lambda c: _log(c, actor_id=None, subject_id=None),
    "the audit log of an actor": lambda c: _log(c, actor_id=SOMEBODY, subject_id=None),
    "the audit log of a subject": lambda c: _log(c, actor_id=None, subject_id=SOMEBODY),
    "what somebody said": lambda c: AccountRecords(c).said_after(SOMEBODY, ""),
}


def _log(connection: Connection, *, actor_id: str | None, subject_id: str | None) -> object:
    action = Action.USERS_SEARCHED
    return AuditLog(connection).page(actor_id=actor_id, subject_id=subject_id, action=action, before=None, limit=25)


@pytest.fixture(scope="module")
def crowd(postgres: PostgresServer) -> Iterator[Connection]:
    postgres.empty()
    with psycopg.connect(postgres.plain_url, autocommit=True) as connection:
        for statement in CROWD.split(";"):
            connection.execute(statement.encode())
    database = Database(lambda: postgres.url)
    with database.engine.connect() as connection:
        yield connection
    database.close()
    postgres.empty()


@pytest.mark.parametrize("which", LISTS)
def test_every_list_of_people_is_found_by_an_index(crowd: Connection, which: str) -> None:
    with explained(crowd) as plans:
        LISTS[which](crowd)
    assert_indexed(plans)

"""Streams and broadcasts written straight into PostgreSQL: as many as a list needs, without the API's and ingest's work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection, text

from headwater.domain.ids import new_id

# Ids as `headwater.domain.ids` makes them, but for the time in them: counted up, so that they are in order.
_MANY = """
INSERT INTO users (id, username, email)
SELECT lpad(n::text, 22, '0'), 'streamer_' || n, 'streamer_' || n || '@example.org' FROM generate_series(1, %(owners)s) n;

INSERT INTO streams (id, owner_id, title, description, category, tags, privacy, scheduled_start)
SELECT lpad(n::text, 22, '0'), lpad((1 + n %% %(owners)s)::text, 22, '0'), 'Evening ' || (n %% 5000) || ' of ' || (n %% 977),
       'What happens on evening ' || n, (ARRAY['Music', 'Chess', 'Coding', 'Cooking'])[1 + n %% 4],
       ARRAY['tag' || (n %% 400), 'live'], CASE WHEN n %% 10 = 0 THEN 'unlisted' ELSE 'public' END,
       CASE WHEN n %% 50 = 1 THEN now() + n * interval '1 minute' END
FROM generate_series(1, %(streams)s) n;

INSERT INTO stream_words (stream_id, title, labels, description)
SELECT s.id, lower(s.title), u.username || ' ' || lower(s.category) || ' ' || array_to_string(s.tags, ' '),
       lower(s.description)
FROM streams s JOIN users u ON u.id = s.owner_id;

INSERT INTO broadcasts (id, stream_id, sequence, title, state, public, recording, recorded, started_at, live_at, ended_at,
                        duration_seconds, renditions)
SELECT lpad((n * 2)::text, 22, '0'), lpad(n::text, 22, '0'), 5, 'Past', 'ended', true, 'ready', true,
       now() - interval '2 days', now() - interval '2 days', now() - interval '1 day', 60, '{720p}'
FROM generate_series(1, %(streams)s, 2) n;

INSERT INTO broadcasts (id, stream_id, sequence, title, state, public, recording, recorded, started_at, live_at,
                        viewers, viewers_at)
SELECT lpad((n * 2 + 1)::text, 22, '0'), lpad(n::text, 22, '0'), 2, 'Now', 'live', true, 'pending', true, now(),
       now() - n * interval '1 second', n %% 700, now()
FROM generate_series(1, %(streams)s, %(streams)s / %(live)s) n
"""


def write_many(url: str, *, streams: int, live: int, owners: int) -> None:
    """`url` as psycopg takes it. As after a good night's autovacuum: everything is analysed."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _MANY.split(";"):
            connection.execute(statement, {"streams": streams, "live": live, "owners": owners})
        connection.execute("VACUUM ANALYZE")


@dataclass
class Rows:
    """A handful of streams of one owner that a test changes as it likes."""

    connection: Connection

    def __post_init__(self) -> None:
        self.owner = new_id()
        self.run(
            "INSERT INTO users (id, username, email) VALUES (:owner, 'someone', 's@example.org')", owner=self.owner
        )

    def run(self, statement: str, **values: Any) -> None:
        self.connection.execute(text(statement), values)

    def stream(self) -> str:
        stream = new_id()
        self.run(
            "INSERT INTO streams (id, owner_id, title) VALUES (:stream, :owner, 'Title')",
            stream=stream,
            owner=self.owner,
        )
        self.run(
            "INSERT INTO stream_words (stream_id, title, labels, description) VALUES (:stream, 'title', '', '')",
            stream=stream,
        )
        return stream

    def go_live(self, stream: str, viewers: int, seconds_ago: int) -> None:
        self.run(
            "INSERT INTO broadcasts (id, stream_id, sequence, title, state, public, recording, recorded, started_at,"
            " live_at, viewers, viewers_at) VALUES (:id, :stream, 1, '', 'live', true, 'pending', true, now(),"
            " now() - :ago * interval '1 second', :viewers, now())",
            id=new_id(), stream=stream, viewers=viewers, ago=seconds_ago,
        )  # fmt: skip

    def watch(self, stream: str, viewers: int) -> None:
        self.run("UPDATE broadcasts SET viewers = :viewers WHERE stream_id = :stream", stream=stream, viewers=viewers)

    def end(self, stream: str) -> None:
        self.run("UPDATE broadcasts SET state = 'ended' WHERE stream_id = :stream", stream=stream)

    def delete(self, stream: str) -> None:
        self.run("DELETE FROM streams WHERE id = :stream", stream=stream)

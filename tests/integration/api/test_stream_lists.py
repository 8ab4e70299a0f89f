"""Lists of streams hold still for whoever turns their pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from headwater.adapters.postgres import Database
from headwater.adapters.stream_lists import StreamFilter, StreamLists, StreamOrder, StreamPosition
from headwater.domain.ids import StreamId
from tests.postgres_server import PostgresServer
from tests.rest_api import RestApi
from tests.stream_rows import Rows

STREAMS = 10
CHANGES = ("watch", "end", "live", "new", "delete")

changes = st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, STREAMS - 1), st.integers(0, 5)), max_size=6)


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[Database]:
    made = Database(lambda: postgres.url)
    yield made
    made.close()


def test_whatever_changes_between_pages_no_stream_is_skipped_and_none_comes_twice(
    database: Database, postgres: PostgresServer
) -> None:
    postgres.empty()

    @settings(max_examples=60, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from([StreamOrder.NEWEST, StreamOrder.VIEWERS, StreamOrder.STARTED]),
        st.sampled_from([None, True]),
        st.integers(1, 4),
        st.lists(st.one_of(st.none(), st.integers(0, 4)), min_size=STREAMS, max_size=STREAMS),
        st.lists(changes, max_size=STREAMS),
    )
    def turn_pages(
        order: StreamOrder, live: bool | None, limit: int, viewers: list[int | None], between: list[Any]
    ) -> None:
        with database.engine.connect() as connection:
            rows = Rows(connection)
            streams = [rows.stream() for _ in viewers]
            for number, (stream, watching) in enumerate(zip(streams, viewers, strict=True)):
                if watching is not None:
                    rows.go_live(stream, watching, number % 3)
            stays = {
                stream for stream, watching in zip(streams, viewers, strict=True) if not live or watching is not None
            }
            seen: list[str] = []
            after: StreamPosition | None = None
            while True:
                page = StreamLists(connection).page(StreamFilter(live=live), order, None, after, limit)
                seen += [stream.stream_id for stream in page.streams]
                if page.next is None:
                    break
                after = page.next
                for what, which, how in between.pop() if between else ():
                    stays -= _change(rows, streams, what, which, how, live)
            connection.rollback()
        assert len(seen) == len(set(seen)), "a stream came twice"
        assert stays <= set(seen), "a stream was skipped"

    turn_pages()


def _change(rows: Rows, streams: list[str], what: str, which: int, how: int, live: bool | None) -> set[str]:
    """Do it; the streams that the list need not hold any more."""
    stream = streams[which]
    match what:
        case "watch":
            rows.watch(stream, how)
        case "end":
            rows.end(stream)
            return {stream} if live else set()
        case "live":
            rows.end(stream)
            rows.go_live(stream, how, 0)
        case "new":
            rows.go_live(rows.stream(), how, 0)
        case "delete":
            rows.delete(stream)
            rows.run("INSERT INTO streams (id, owner_id, title) VALUES (:id, :owner, 'x')", id=stream, owner=rows.owner)
            return {stream}
    return set()


def test_a_list_that_is_too_old_says_so(api: RestApi) -> None:
    answer = api.anonymous.get("/v1/streams", sort="viewers", cursor=f"1.5.{'0' * 22}")
    assert answer.status == 422
    assert "Begin it again" in answer.json["errors"][0]["message"]


def test_nobody_counts_viewers_who_left_without_a_word(api: RestApi) -> None:
    owner = api.register()
    for title, viewers in (("Left", 9), ("Watched", 1)):
        stream = owner.stream(title=title)
        api.go_live(stream)
        api.tell_history()
        with api.services.unit_of_work() as unit:
            unit.broadcasts.add_audience(StreamId(stream["id"]), viewers, 0)
    assert _most_watched(api) == ["Left", "Watched"]
    with api.services.database.begin() as connection:
        connection.execute(text("UPDATE broadcasts SET viewers_at = now() - interval '31 seconds' WHERE viewers = 9"))
    assert _most_watched(api) == ["Watched", "Left"]


def _most_watched(api: RestApi) -> list[str]:
    return [item["title"] for item in api.anonymous.get("/v1/streams", sort="viewers").json["items"]]

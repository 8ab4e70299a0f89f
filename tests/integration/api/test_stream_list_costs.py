"""Lists of streams read no more than they show, on a full site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from headwater.adapters.category_list import CategoryList
from headwater.adapters.postgres import Database
from headwater.adapters.stream_lists import StreamFilter, StreamLists, StreamOrder
from headwater.domain.stream_search import understand
from tests.postgres_server import PostgresServer
from tests.query_plans import assert_indexed, explained
from tests.stream_rows import write_many


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[Database]:
    made = Database(lambda: postgres.url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def crowd(database: Database, postgres: PostgresServer) -> Iterator[Connection]:
    postgres.empty()
    write_many(postgres.plain_url, streams=20_000, live=400, owners=20_000)
    with database.engine.connect() as connection:
        yield connection
    postgres.empty()


LISTS = {
    "newest": (StreamFilter(), StreamOrder.NEWEST),
    "live": (StreamFilter(live=True), StreamOrder.NEWEST),
    "offline": (StreamFilter(live=False), StreamOrder.NEWEST),
    "viewers": (StreamFilter(), StreamOrder.VIEWERS),
    "live by viewers": (StreamFilter(live=True), StreamOrder.VIEWERS),
    "live by start": (StreamFilter(live=True), StreamOrder.STARTED),
    "category": (StreamFilter(category="chess"), StreamOrder.NEWEST),
    "live in a category": (StreamFilter(live=True, category="chess"), StreamOrder.VIEWERS),
    "tag": (StreamFilter(tag="tag7"), StreamOrder.NEWEST),
    "owner": (StreamFilter(owner="STREAMER_77"), StreamOrder.NEWEST),
    "scheduled": (StreamFilter(), StreamOrder.SCHEDULED),
    "search": (StreamFilter(search=understand("evening 4711")), StreamOrder.RELEVANCE),
    "search with a typo": (StreamFilter(search=understand("evenign streamr")), StreamOrder.RELEVANCE),
    "search of what is live": (StreamFilter(live=True, search=understand("chess")), StreamOrder.RELEVANCE),
    "search of what is watched": (StreamFilter(live=True, search=understand("ches")), StreamOrder.VIEWERS),
    "search in a category": (StreamFilter(category="chess", search=understand("evening")), StreamOrder.NEWEST),
}


@pytest.mark.parametrize("which", LISTS)
def test_every_list_finds_its_streams_by_an_index(crowd: Connection, which: str) -> None:
    wanted, order = LISTS[which]
    with explained(crowd) as plans:
        first = StreamLists(crowd).page(wanted, order, None, None, 25)
        assert first.streams
        if first.next is not None:
            second = StreamLists(crowd).page(wanted, order, None, first.next, 25)
            assert not {each.stream_id for each in first.streams} & {each.stream_id for each in second.streams}
    assert_indexed(plans, {"categories", "live_rankings"})


def test_the_list_of_categories_reads_only_what_is_live(crowd: Connection) -> None:
    with explained(crowd) as plans:
        page = CategoryList(crowd).page(None, None, 100)
    assert sum(category.live_streams for category in page) > 0
    assert_indexed(plans, {"categories", "live_rankings"})

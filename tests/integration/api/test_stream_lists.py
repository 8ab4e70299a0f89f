"""Lists of streams: they hold still for whoever turns their pages, find what was meant, and read no more than they show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from headwater.adapters.category_list import CategoryList
from headwater.adapters.postgres import Database
from headwater.adapters.stream_lists import StreamFilter, StreamLists, StreamOrder, StreamPosition
from headwater.domain.ids import StreamId
from headwater.domain.stream_search import understand
from tests.postgres_server import PostgresServer
from tests.query_plans import assert_indexed, explained
from tests.rest_api import RestApi
from tests.stream_rows import Rows, write_many

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

    @settings(max_examples=150, database=None, deadline=None, suppress_health_check=list(HealthCheck))
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
    assert found(api, sort="viewers") == ["Left", "Watched"]
    with api.services.database.begin() as connection:
        connection.execute(text("UPDATE broadcasts SET viewers_at = now() - interval '31 seconds' WHERE viewers = 9"))
    assert found(api, sort="viewers") == ["Watched", "Left"]


def found(api: RestApi, **parameters: Any) -> list[str]:
    answer = api.anonymous.get("/v1/streams", **parameters)
    assert answer.status == 200, answer.text
    return [item["title"] for item in answer.json["items"]]


@pytest.mark.parametrize(
    ("q", "titles"),
    [
        ("headwater", ["Building Headwater"]),
        ("hedwater", ["Building Headwater"]),  # a letter is missing
        ("HEADW", ["Building Headwater"]),  # not typed to its end
        ("creme brulee", ["Crème brûlée, step by step"]),
        ("CRÈME BRULEE", ["Crème brûlée, step by step"]),
        ("gutiar", ["Late guitar"]),
        ("guitar marta", ["Late guitar"]),  # the streamer
        ("marta", ["Late guitar", "Crème brûlée, step by step"]),
        ("fingerpicking", ["Late guitar"]),  # the description
        ('"late guitar"', ["Late guitar"]),
        ('"guitar late"', []),
        ("guitar -late", []),
        ("guitar or headwater", ["Late guitar", "Building Headwater"]),
        ("ночной", ["Ночной эфир 🌊"]),
        ("НОЧНОИ эфир", ["Ночной эфир 🌊"]),
        ("🌊", ["Ночной эфир 🌊"]),
        ("zebra", []),
        ("-guitar", []),
        ("!!! ***", []),
        ("or or or", []),
        ("a' | b & (c", []),
    ],
)
def test_a_search_finds_what_was_meant(searched: RestApi, q: str, titles: list[str]) -> None:
    assert set(found(searched, q=q)) == set(titles)


def test_what_fits_best_comes_first_and_its_pages_follow_one_another(searched: RestApi) -> None:
    first = searched.anonymous.get("/v1/streams", q="guitar or headwater or brulee", limit=1).json
    cursor, titles = first["next_cursor"], [first["items"][0]["title"]]
    while cursor is not None:
        page = searched.anonymous.get("/v1/streams", q="guitar or headwater or brulee", limit=1, cursor=cursor).json
        cursor = page["next_cursor"]
        titles += [item["title"] for item in page["items"]]
    assert sorted(titles) == ["Building Headwater", "Crème brûlée, step by step", "Late guitar"]
    assert found(searched, q="late")[0] == "Late guitar"


@pytest.fixture(scope="module")
def searched(deployed: RestApi) -> RestApi:
    ana, marta = deployed.register("ana_codes"), deployed.register("marta")
    ana.stream(title="Building Headwater", category="coding", description="Late in the evening")
    marta.stream(title="Crème brûlée, step by step", category="Cooking")
    marta.stream(title="Late guitar", category="Music", description="Fingerpicking for beginners", tags=["#Acoustic"])
    ana.stream(title="Ночной эфир 🌊")
    ana.stream(title="Guitar, but secret", privacy="private")
    return deployed


# -- what lists cost ------------------------------------------------------------------------------------------------


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
    "search of what is live": (StreamFilter(live=True, search=understand("chess")), StreamOrder.VIEWERS),
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

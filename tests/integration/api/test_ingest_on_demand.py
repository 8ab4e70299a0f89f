"""Ingest on demand through the API: closed, asked for, starting, open at the node's address; a wish that wakes somebody; and
the studio's way there, in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from playwright.sync_api import expect

from headwater.adapters.ingest_fleet_store import IngestFleetStore
from headwater.broadcasts import unix_ms
from headwater.contracts import INGEST_EVENT_SOURCE, INGEST_WANTED
from headwater.domain.ingest_fleet import IngestFleet, announce, started
from tests.api_gateway import ApiClient
from tests.aws import STREAM_TABLE, received
from tests.browser import chromium
from tests.pages import pages_signed_in
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer
from tests.rest_api import RestApi, rest_api

ASK = "Get ready to go live"


@pytest.fixture(scope="module")
def deployment(postgres: PostgresServer, redis: RedisServer) -> Iterator[RestApi]:
    settings = {
        "RTMP_URLS": "",
        "INGEST_NODES_AT_MOST": "1",
        "INGEST_PUBLISHERS_PER_NODE": "2",
        "BROADCASTS_PER_USER": "1",
    }
    with pytest.MonkeyPatch.context() as patch, rest_api(patch, postgres.url, redis.url, **settings) as made:
        yield made
    postgres.empty()


@pytest.fixture
def on_demand(deployment: RestApi) -> RestApi:
    IngestFleetStore(STREAM_TABLE).change(lambda fleet: IngestFleet())
    return deployment


def wishes_told(api: RestApi) -> int:
    told = [msgspec.json.decode(body) for body in received(api.news_queue)]
    return sum((each["source"], each["detail-type"]) == (INGEST_EVENT_SOURCE, INGEST_WANTED) for each in told)


def the_node_is_started() -> None:
    fleets = IngestFleetStore(STREAM_TABLE)
    [node] = fleets.load().nodes
    fleets.change(lambda fleet: started(fleet, node.node_id, "task"))


def the_node_announces_itself() -> str:
    """Where it is published to."""
    fleets = IngestFleetStore(STREAM_TABLE)
    [node] = fleets.load().nodes
    now = unix_ms()
    fleets.change(
        lambda fleet: announce(
            fleet, node.node_id, address="203.0.113.7:1935", publishers=0, leaving=False, said_at=now, now=now
        )
    )
    return "rtmp://203.0.113.7:1935/live"


def test_a_streamer_asks_waits_and_is_told_the_address_of_the_node(on_demand: RestApi) -> None:
    owner, other, third = (on_demand.newcomer() for _ in range(3))
    streams = [f"/v1/streams/{person.stream()['id']}/ingest" for person in (owner, other, third)]

    def shown(client: ApiClient, path: str) -> tuple[str, str | None, list[str]]:
        body = client.get(path).json
        assert body["stream_key"], "an encoder can be set up meanwhile"
        return body["state"], body["rtmp_url"], body["servers"]

    wishes_told(on_demand)
    assert shown(owner.api, streams[0]) == ("closed", None, [])
    assert wishes_told(on_demand) == 0, "looking asks for nothing"
    asked = owner.api.post(f"{streams[0]}/open")
    assert (asked.status, asked.json["state"], asked.json["rtmp_url"]) == (202, "starting", None)
    assert other.api.post(f"{streams[1]}/open").json["state"] == "starting"
    assert wishes_told(on_demand) == 2

    the_node_is_started()
    owner.api.post(f"{streams[0]}/open")
    assert wishes_told(on_demand) == 0, "it is started already"
    address = the_node_announces_itself()
    assert shown(owner.api, streams[0]) == shown(other.api, streams[1]) == ("open", address, [address])
    assert owner.api.post(f"{streams[0]}/rotate").json["rtmp_url"] == address

    full = third.api.post(f"{streams[2]}/open")
    assert (full.status, full.json["code"]) == (503, "ingest_full")
    assert int(full.headers["retry-after"]) >= 1
    assert shown(third.api, streams[2]) == ("closed", None, [])
    one_more = owner.api.post(f"/v1/streams/{owner.stream()['id']}/ingest/open")
    assert (one_more.status, one_more.json["code"]) == (409, "limit_reached")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_else_learns_where_a_stream_is_published_to(on_demand: RestApi, method: str) -> None:
    stream = on_demand.newcomer().stream()["id"]
    path = f"/v1/streams/{stream}/ingest" + ("/open" if method == "POST" else "")
    for client, status in ((on_demand.anonymous, 401), (on_demand.newcomer().api, 403)):
        answer = client.post(path) if method == "POST" else client.get(path)
        assert answer.status == status
        assert "203.0.113.7" not in answer.text


def test_in_the_studio_who_asks_sees_that_it_is_under_way_is_told_of_a_refusal_and_gets_the_address(
    on_demand: RestApi,
) -> None:
    streamer, *others = (on_demand.newcomer() for _ in range(3))
    streamer.stream(title="Mine")
    for other in others:  # as many as the only node takes
        assert other.api.post(f"/v1/streams/{other.stream()['id']}/ingest/open").status == 202

    with chromium() as browser, pages_signed_in(browser, on_demand.anonymous, streamer.refresh_token) as pages:
        page = pages.page
        page.goto("/studio")
        button = page.get_by_role("region", name="Mine").locator(".actions .primary")
        expect(button).to_have_text(ASK)
        for refuse, told in (
            (pages.lose, "The server cannot be reached. Check the connection."),
            (pages.let_through, "All places to publish to are taken. Try again in a few minutes."),
        ):
            with pages.held("/ingest/open"):
                button.click()
                expect(button).to_be_disabled()
                expect(button).to_have_text("One moment…")
                refuse()
            expect(page.get_by_role("alert")).to_have_text(told)
            expect(button).to_be_enabled()
            expect(button).to_have_text(ASK)

        IngestFleetStore(STREAM_TABLE).change(lambda fleet: IngestFleet())  # the others are gone
        button.click()
        expect(page.get_by_text("A server for your encoder is starting.")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)
        the_node_is_started()
        address = the_node_announces_itself()
        expect(page.get_by_label("Server")).to_have_value(address)

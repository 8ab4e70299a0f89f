"""A search keeps its promises while streams come, and whoever brings many of them."""

from __future__ import annotations

import pytest

from headwater.adapters import stream_lists
from tests.integration.api.test_stream_search import found
from tests.rest_api import RestApi


def test_a_search_that_forgives_typos_goes_on_so_although_its_words_can_be_found_meanwhile(api: RestApi) -> None:
    owner = api.newcomer()
    titles = [owner.stream(title=f"Headwater {number}")["title"] for number in ("one", "two", "three")]
    first = api.anonymous.get("/v1/streams", q="hedwater", limit=1).json
    seen, cursor = [first["items"][0]["title"]], first["next_cursor"]
    owner.stream(title="Hedwater, as it is written")
    while cursor is not None:
        page = api.anonymous.get("/v1/streams", q="hedwater", limit=1, cursor=cursor).json
        seen += [item["title"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert [title for title in seen if title in titles] == seen[: len(titles)]
    assert sorted(set(seen) & set(titles)) == sorted(titles)
    assert found(api, q="hedwater") == ["Hedwater, as it is written"]


def test_nobody_buries_streams_under_hidden_or_newer_ones(api: RestApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_lists, "SEARCHED_AT_MOST", 2)
    monkeypatch.setattr(stream_lists, "ALIKE_AT_MOST", 2)
    owner, another = api.newcomer(), api.newcomer()
    shown, on_air = owner.stream(title="Aquarium"), owner.stream(title="Aquarium, live")
    api.go_live(on_air)
    api.tell_history()
    for _ in range(3):
        another.stream(title="Aquarium", privacy="private")
    assert sorted(found(api, q="aquarium")) == sorted(found(api, q="aqarium")) == ["Aquarium", "Aquarium, live"]
    for _ in range(3):
        another.stream(title="Aquarium")
    for sort in ("relevance", "viewers", "newest"):
        assert found(api, q="aquarium", live="true", sort=sort) == ["Aquarium, live"]
    assert shown["title"] in found(api, q="aquarium", owner=owner.user["username"])

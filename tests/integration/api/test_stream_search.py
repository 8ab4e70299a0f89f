"""Searching streams finds what was meant."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.adapters import stream_lists
from tests.rest_api import RestApi


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
        ("\u3316" * 100, []),  # 600 letters, of which no two are allowed to have changed places
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


@pytest.fixture(scope="module")
def searched(deployed: RestApi) -> RestApi:
    ana, marta = deployed.register("ana_codes"), deployed.register("marta")
    ana.stream(title="Building Headwater", category="coding", description="Late in the evening")
    marta.stream(title="Crème brûlée, step by step", category="Cooking")
    marta.stream(title="Late guitar", category="Music", description="Fingerpicking for beginners", tags=["#Acoustic"])
    ana.stream(title="Ночной эфир 🌊")
    ana.stream(title="Guitar, but secret", privacy="private")
    return deployed

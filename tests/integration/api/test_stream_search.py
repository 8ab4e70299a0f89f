"""Searching streams finds what was meant."""

from __future__ import annotations

from typing import Any

import pytest

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


@pytest.fixture(scope="module")
def searched(deployed: RestApi) -> RestApi:
    ana, marta = deployed.register("ana_codes"), deployed.register("marta")
    ana.stream(title="Building Headwater", category="coding", description="Late in the evening")
    marta.stream(title="Crème brûlée, step by step", category="Cooking")
    marta.stream(title="Late guitar", category="Music", description="Fingerpicking for beginners", tags=["#Acoustic"])
    ana.stream(title="Ночной эфир 🌊")
    ana.stream(title="Guitar, but secret", privacy="private")
    return deployed

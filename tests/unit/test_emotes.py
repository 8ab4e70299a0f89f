"""Emotes in what people say: where they are, and what is none."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from headwater.domain.emotes import (
    BUILT_IN,
    BUILT_IN_PREFIX,
    REACTIONS,
    emote_upload_of,
    find_emotes,
    has_only_emotes,
    is_emote_name,
    reaction_of,
)
from headwater.domain.ids import StreamId, is_id, new_id
from headwater.media.object_keys import emote_upload

OWN = {"otterHi": "1m81s9s6ks3n6qtcvpf3wq", "GG2": "1m81s9sbmabs493gmc61zh"}
PICTURES = Path(__file__).parents[2] / "web/emotes"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("hwWave", ["hwWave"]),
        ("hello hwWave!", ["hwWave"]),
        ("(otterHi) otterHi,GG2", ["otterHi", "otterHi", "GG2"]),
        ("hwWaves ahwWave hwWave2 _hwWave hwWave_", []),
        ("öhwWave hwWaveß", []),
        ("hwwave HWWAVE OTTERHI", []),
        ("@hwWave @otterHi", []),
        ("see https://example.com/otterHi?x=GG2 hwHeart", ["hwHeart"]),
        ("HTTP://example.com/otterHi", []),
        ("otterBye gg", []),
        ("", []),
    ],
)
def test_an_emote_is_a_word_of_its_own_as_it_is_written(text: str, names: list[str]) -> None:
    assert [each.name for each in find_emotes(text, OWN)] == names


def test_ranges_count_code_points() -> None:
    text = "👋🏽 नमस्ते otterHi 🎉hwGG"
    found = find_emotes(text, OWN)
    assert [text[each.start : each.end] for each in found] == ["otterHi", "hwGG"]
    assert [each.id for each in found] == [OWN["otterHi"], "hwGG"]


@pytest.mark.parametrize(
    ("text", "only"),
    [
        ("hwWave", True),
        (" hwWave otterHi ", True),
        ("hwWave hi", False),
        ("hwWave!", False),
        ("hi", False),
        ("", False),
    ],
)
def test_a_text_of_nothing_but_emotes_is_told_from_others(text: str, only: bool) -> None:
    assert has_only_emotes(text, find_emotes(text, OWN)) is only


def test_a_room_cannot_call_an_emote_what_a_built_in_one_is_or_may_once_be_called() -> None:
    assert all(is_emote_name(name) for name in ("abc", "Otter1", "x" * 24))
    for name in ("ab", "x" * 25, "an emote", "emöte", "a-b", "hwWave", "HWwave", "hwNew", "", "abc\n"):
        assert not is_emote_name(name)


def test_built_in_emotes_cannot_be_taken_for_ids_and_each_has_a_picture_that_holds_nothing_but_shapes() -> None:
    assert {path.stem for path in PICTURES.glob("*.svg")} == set(BUILT_IN)
    for name in BUILT_IN:
        assert name.startswith(BUILT_IN_PREFIX)
        assert not is_id(name)
        root = ElementTree.parse(PICTURES / f"{name}.svg").getroot()  # noqa: S314 - our own file
        kinds = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert kinds <= {"svg", "g", "path", "circle", "ellipse", "rect"}
        assert not [
            name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name
        ]


@pytest.mark.parametrize("said", [*REACTIONS, "❤", "👍\ufe0f"])
def test_a_reaction_is_counted_as_one_however_a_keyboard_writes_it(said: str) -> None:
    assert reaction_of(said, OWN) in REACTIONS


def test_one_may_react_with_emotes_and_with_nothing_else() -> None:
    assert reaction_of("hwFire", OWN) == "hwFire"
    assert reaction_of("otterHi", OWN) == "otterHi"
    for said in ("", "🍕", "👍👍", "<b>", "otterBye", OWN["otterHi"]):
        assert reaction_of(said, OWN) is None


def test_of_which_stream_an_upload_is_follows_from_its_key_alone() -> None:
    stream_id, emote_id = StreamId(new_id()), new_id()
    assert emote_upload_of(emote_upload(stream_id, emote_id)) == (stream_id, emote_id)
    for other in ("", "emotes", f"emotes/{stream_id}", f"avatars/{stream_id}/{emote_id}", f"emotes/../{emote_id}"):
        assert emote_upload_of(other) is None

"""Ids and stream keys: what has their form, and that nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.ids import StreamId, is_id, new_id
from headwater.domain.stream_key import derive_stream_key, stream_id_of_key, stream_key_matches
from headwater.observability import redact

SECRET = b"0123456789abcdef0123456789abcdef"
STREAM = StreamId("01m9a3b5c7d9e1f3g5h7j9")


def test_ids_are_of_the_form_and_sort_by_time_and_differ() -> None:
    made = [new_id() for _ in range(1_000)]
    assert all(map(is_id, made))
    assert len(set(made)) == len(made)
    assert [made_id[:9] for made_id in made] == sorted(made_id[:9] for made_id in made)


@pytest.mark.parametrize(
    "text", ["", "a", STREAM + "\n", STREAM.upper(), STREAM[:-1] + "i", STREAM + "0", "../" + STREAM[3:], STREAM[:-1] + "\0"]
)  # fmt: skip
def test_nothing_else_is_an_id(text: str) -> None:
    assert not is_id(text)


def test_a_key_is_derived_from_secret_stream_and_version_and_from_nothing_else() -> None:
    key = derive_stream_key(SECRET, STREAM, 1)
    assert key == derive_stream_key(SECRET, STREAM, 1)
    others = {
        derive_stream_key(SECRET, STREAM, 2),
        derive_stream_key(SECRET, StreamId(new_id()), 1),
        derive_stream_key(SECRET + b"x", STREAM, 1),
    }
    assert key not in others
    assert len(others) == 3


def test_a_key_derives_as_it_always_did() -> None:
    """Keys that streamers have typed into their encoders must outlive every refactoring."""
    assert derive_stream_key(SECRET, STREAM, 1) == "live_01m9a3b5c7d9e1f3g5h7j9_nhtm4ybrtlddn2ad7d4qiqynst2r3eoa"


def test_a_key_names_its_stream_and_matches_only_its_own_version() -> None:
    key = derive_stream_key(SECRET, STREAM, 3)
    assert stream_id_of_key(key) == STREAM
    assert stream_key_matches(key, SECRET, STREAM, 3)
    assert not stream_key_matches(key, SECRET, STREAM, 4)
    assert not stream_key_matches(key[:-1] + ("a" if key[-1] != "a" else "b"), SECRET, STREAM, 3)


@pytest.mark.parametrize(
    "hostile",
    [
        "", "live_", "live_../../../etc/passwd_x", "$(id)", "'\"", "live_" + "0" * 22 + "_" + "a" * 31,
        "live_" + "0" * 22 + "_" + "a" * 33, "live_" + "0" * 22 + "_" + "a" * 32 + "\n", "live_" + "i" * 22 + "_" + "a" * 32,
        "live_" + "0" * 22 + "_" + "A" * 32, "live_" + "0" * 22 + "_" + "a" * 32 + "?name=victim", "\0", "é" * 60, "a" * 10_000,
    ],
)  # fmt: skip
def test_a_hostile_key_names_no_stream_and_matches_none(hostile: str) -> None:
    """SRS's CVE-2023-34105 put names of streams into a shell, Node-Media-Server (#689) into paths."""
    assert stream_id_of_key(hostile) is None
    assert not stream_key_matches(hostile, SECRET, STREAM, 1)


@given(st.text(max_size=80))
def test_any_text_is_either_a_key_of_the_form_or_nothing(text: str) -> None:
    found = stream_id_of_key(text)
    assert found is None or is_id(found)


@given(before=st.text(max_size=20), after=st.text(max_size=20), version=st.integers(1, 5))
def test_a_key_is_blotted_out_wherever_it_stands(before: str, after: str, version: int) -> None:
    key = derive_stream_key(SECRET, STREAM, version)
    for shape in (key, key.upper()):
        assert shape not in redact(f"{before}{shape}{after}")

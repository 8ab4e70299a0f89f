"""Whatever is sent, the answer is a result or a problem with a code, and never a failure of ours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api_gateway import ApiClient
from tests.rest_api import RestApi

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
TEXT = st.text(max_size=150)
URL_TEXT = TEXT.map(lambda text: text.encode("utf-8", "ignore").decode())  # a URL cannot carry half a character
STREAM = {
    "title": TEXT | ANYTHING, "description": TEXT | ANYTHING, "category": TEXT | ANYTHING,
    "tags": st.lists(TEXT, max_size=3) | ANYTHING, "privacy": st.sampled_from(["public", "private"]) | ANYTHING,
    "record": st.booleans() | ANYTHING, "reconnect_window": st.integers(-1, 2000) | ANYTHING,
}  # fmt: skip
BODIES = {
    "POST /v1/streams": st.fixed_dictionaries(STREAM) | st.fixed_dictionaries({"title": TEXT}),
    "PATCH /v1/streams/{stream}": st.fixed_dictionaries({}, optional=STREAM),
    "POST /v1/streams/{stream}/clips": st.fixed_dictionaries(
        {"title": TEXT | ANYTHING, "start": st.floats() | TEXT | ANYTHING},
        optional={"duration": st.floats() | ANYTHING, "broadcast_id": TEXT | ANYTHING},
    ),
    "PATCH /v1/me": st.fixed_dictionaries({"bio": TEXT | ANYTHING}),
    "POST /v1/auth/login": st.fixed_dictionaries({"login": TEXT | ANYTHING, "password": TEXT | ANYTHING}),
    "POST /v1/auth/password/forgot": st.fixed_dictionaries({"email": TEXT | st.emails() | ANYTHING}),
    "POST /v1/auth/password/reset": st.fixed_dictionaries({"token": TEXT | ANYTHING, "password": TEXT | ANYTHING}),
    "POST /v1/auth/password": st.fixed_dictionaries({"current_password": TEXT | ANYTHING, "new_password": TEXT}),
    "POST /v1/auth/email/verify": st.fixed_dictionaries({"token": TEXT | ANYTHING}),
    "POST /v1/auth/refresh": st.fixed_dictionaries({"refresh_token": TEXT | ANYTHING}) | ANYTHING,
    "POST /v1/auth/register": st.fixed_dictionaries(
        {"username": st.from_regex(r"[a-z]{3,9}", fullmatch=True), "email": TEXT | st.emails(), "password": TEXT}
    ),
}
FILTERS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("q", "category", "tag", "owner", "cursor", "limit", "live", "sort"), URL_TEXT)
)
PATHS = (
    "/v1/streams/",
    "/v1/broadcasts/",
    "/v1/clips/",
    "/v1/streams/0000000000000000000000/viewers/",
    "/v1/users/",
    "/v1/playback-sessions/",
)


@pytest.fixture(scope="module")
def caller(deployed: RestApi) -> tuple[ApiClient, str]:
    person = deployed.register()
    return person.api, person.stream()["id"]


def answered(answer: Any) -> None:
    assert answer.status < 500, answer.text
    assert (answer.code is not None) == (answer.status >= 400)


@pytest.mark.parametrize("call", BODIES)
@settings(max_examples=25)
@given(data=st.data())
def test_any_body_is_answered(caller: tuple[ApiClient, str], call: str, data: st.DataObject) -> None:
    client, stream_id = caller
    method, _, path = call.partition(" ")
    answered(client.call(method, path.format(stream=stream_id), data.draw(BODIES[call])))


@settings(max_examples=40)
@given(filters=FILTERS, before=URL_TEXT, path=st.sampled_from(PATHS), tail=URL_TEXT)
def test_any_url_is_answered(
    caller: tuple[ApiClient, str], filters: dict[str, str], before: str, path: str, tail: str
) -> None:
    client, stream_id = caller
    answered(client.get("/v1/streams", **filters))
    answered(client.get(f"/v1/streams/{stream_id}/chat/messages", before=before))
    answered(client.get(path + tail))

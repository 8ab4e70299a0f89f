"""The API is what its OpenAPI document says, for everybody: whatever the document allows, or forbids, is sent to it.

With `HEADWATER_SOAK=1`, thirty times as much of it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition
from hypothesis.stateful import Bundle, MultipleResults, initialize, multiple
from schemathesis import Case as Described
from schemathesis import GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core import NOT_SET
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation.stateful.state_machine import StepInput
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ensure_resource_availability,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    use_after_free,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from headwater.domain.personal_tokens import Scope
from tests.api_gateway import http_event
from tests.api_world import World
from tests.rest_api import RestApi

Case = Described[Any]
CALLERS = ("anonymous", "viewer", "owner", "moderator", "admin", "bot")
SOAK = 30 if os.environ.get("HEADWATER_SOAK") == "1" else 1
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
LASTING_CHECKS = [*CHECKS, use_after_free, ensure_resource_availability]


class Beginning(NamedTuple):
    """A call that links lead on from, and who may make it."""

    method: str
    path: str
    callers: Sequence[str] = CALLERS
    body: dict[str, Any] | None = None


# What there is to be seen of the world, and a stream of one's own.
BEGINNINGS = (
    Beginning("GET", "/v1/streams/{stream_id}"),
    Beginning("GET", "/v1/broadcasts/{broadcast_id}"),
    Beginning("GET", "/v1/clips/{clip_id}"),
    Beginning("GET", "/v1/users/{username}"),
    Beginning("POST", "/v1/streams/{stream_id}/playback-session"),
    Beginning("POST", "/v1/streams", CALLERS[1:], {"title": "A stream"}),
    Beginning("PUT", "/v1/admin/users/{username}/verification", ["admin"]),
)
# For the fields of which chance seldom makes something that is taken: a date of the coming year, a text without controls.
SENSIBLE: dict[str, Any] = {
    "title": "A title",
    "description": "",
    "tags": ["a tag"],
    "scheduled_start": None,
    "reason": "A reason",
}
# After these, somebody or something of the world is gone, and most of what follows would only be refused.
ENDING = frozenset({"logout", "suspend", "delete_me", "stop"})
# These only take something off somebody, and whoever and whatever there was is there still.
SPARING = ("/{username}", "/follow", "/{role}", "/verification", "/avatar")


def repeatable(examples: int, **more: Any) -> settings:
    """The same requests in every run: what is found by chance belongs into a soak, not between somebody and their merge."""
    quiet = list(HealthCheck)
    return settings(
        max_examples=examples * SOAK, derandomize=True, database=None, suppress_health_check=quiet,
        report_multiple_bugs=False, phases=[Phase.explicit, Phase.generate], **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def schema(deployed: RestApi) -> OpenApiSchema:
    found = schemathesis.openapi.from_dict(deployed.anonymous.get("/v1/openapi.json").json)
    found.config.generation.update(with_security_parameters=False, modes=[GenerationMode.POSITIVE])
    return found


def answer_to(api: RestApi, case: Case, token: str | None) -> Response:
    """By way of the event that API Gateway makes of a request, and the handler."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = requests.Request(**case.as_transport_kwargs("https://api.example.org", headers=headers)).prepare()
    url = urlsplit(str(request.url))
    body: Any = request.body.encode() if isinstance(request.body, str) else request.body
    sent = {name.lower(): str(value) for name, value in request.headers.items()}
    event = http_event(str(request.method), url.path, url.query, sent, body, "203.0.113.7")
    answer = api.anonymous.handler(event, None)
    assert answer["isBase64Encoded"] is False
    received = {name: [value] for name, value in answer["headers"].items()}
    return Response(answer["statusCode"], received, answer["body"].encode(), request, elapsed=0.0, verify=True)


def operation_id(case: Case) -> str:
    return str(case.operation.definition.raw["operationId"])


@dataclass
class LastingWorld:
    """Made anew whenever a call has taken something out of it."""

    api: RestApi
    made: World | None = None
    bots_token: str = ""

    @property
    def world(self) -> World:
        if self.made is None:
            self.made = World.of(self.api, "public")
            self.bots_token = bots_token(self.made.people["owner"].api)
        return self.made

    def token_of(self, caller: str) -> str | None:
        people = self.world.people
        if caller in ("anonymous", "bot"):
            return self.bots_token if caller == "bot" else None
        return people["other" if caller == "viewer" else caller].api.token

    def names(self, path: str) -> dict[str, str]:
        names = self.world.names
        return {**names, "session_id": names["sign_in_id"]} if path.startswith("/v1/auth/sessions") else names

    def answer_to(self, case: Case, caller: str) -> Response:
        answer = answer_to(self.api, case, self.token_of(caller))
        deletes = case.method == "DELETE" and not case.operation.path.endswith(SPARING)
        if answer.status_code < 300 and (deletes or operation_id(case) in ENDING):
            self.made = None
        return answer


def bots_token(owner: Any) -> str:
    return str(owner.post("/v1/me/tokens", {"name": "A bot", "scopes": list(Scope)}).json["token"])


@pytest.fixture(scope="module")
def lasting(deployed: RestApi) -> LastingWorld:
    return LastingWorld(deployed)


# What everybody is answered at least once who is signed in, to calls of a method; GET also who is not.
ANSWERED = {"get": {200}, "post": {201}, "put": {204}, "patch": set[int](), "delete": {204}}


@pytest.mark.parametrize("method", ANSWERED)
def test_every_operation_answers_everybody_as_it_is_described(
    lasting: LastingWorld, schema: OpenApiSchema, method: str
) -> None:
    wrong: list[str] = []
    answered: dict[str, set[int]] = {caller: set() for caller in CALLERS}
    for each in schema.get_all_operations():
        assert isinstance(each, Ok)
        if each.ok().method == method:
            attempt(lasting, each.ok(), answered, wrong)
    assert not wrong, "\n".join(wrong)
    for caller, statuses in answered.items():
        wanted = ANSWERED[method] if method == "get" or caller != "anonymous" else set()
        assert statuses >= wanted, f"this tried nothing as {caller}"


def attempt(lasting: LastingWorld, operation: Any, answered: dict[str, set[int]], wrong: list[str]) -> None:
    """The same calls by everybody: to make them up takes as long as to answer them."""
    places = [parameter.name for parameter in operation.path_parameters]
    any_case = operation.as_strategy(GenerationMode.POSITIVE) | operation.as_strategy(GenerationMode.NEGATIVE)

    @repeatable(3)
    @given(case=any_case, of_the_world=st.integers(0, 3))
    def run(case: Case, of_the_world: int) -> None:
        for caller in CALLERS:
            if of_the_world:  # three times in four, it is about something that is there
                names = lasting.names(case.operation.path)
                case.path_parameters.update({place: names[place] for place in places})
            answer = lasting.answer_to(case, caller)
            answered[caller].add(answer.status_code)
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as failures:
                wrong.append(f"{operation.label} by {caller}: {failures.exceptions}")

    run()


@pytest.mark.parametrize("caller", CALLERS)
def test_what_one_answer_names_the_next_call_finds(deployed: RestApi, schema: OpenApiSchema, caller: str) -> None:
    """Stateful: what one answer names is looked at, changed, deleted and looked at again, by links between operations."""
    visited: dict[str, Any] = {"api": deployed, "caller": caller, "begun": set(), "followed": Counter(), "wrong": []}
    machine: Any = type("Machine", (Visit, schema.as_state_machine()), visited)
    # Everybody's lists hold what earlier visits left, so that a later one may go another way from where it went the same.
    with suppress(FlakyStrategyDefinition):
        machine.run(settings=repeatable(2, stateful_step_count=30))
    assert not visited["wrong"], "\n".join(visited["wrong"])
    assert visited["begun"] == {each.path for each in BEGINNINGS if caller in each.callers}
    followed = visited["followed"]
    assert len(followed) >= 10, "this hardly followed a link"
    assert followed.total() > 0 or caller == "anonymous", "nothing was let through that a link led to"


class Visit:
    """What one caller does in a state machine of Schemathesis, each time in a world of its own."""

    api: RestApi
    caller: str
    begun: set[str]  # paths of BEGINNINGS that let the caller in
    followed: Counter[str]  # operations that were called with what an answer had named; how often they were carried out
    wrong: list[str]
    schema: OpenApiSchema
    recorder: Any
    step: Any

    def setup(self) -> None:
        self.there = LastingWorld(self.api)
        self.token = self.there.token_of(self.caller)

    @initialize(target=Bundle("catch_all"))
    def begin(self) -> MultipleResults[Any]:
        return multiple(*map(self.begin_with, BEGINNINGS))

    def begin_with(self, beginning: Beginning) -> Any:
        case: Case = self.schema[beginning.path][beginning.method].Case(
            body=NOT_SET if beginning.body is None else dict(beginning.body), media_type="application/json"
        )
        self.recorder.record_case(case=case)
        seen = self.step(StepInput.initial(case))
        if seen.response.status_code < 300:
            self.begun.add(beginning.path)
        return seen

    def call(self, case: Case, **_: Any) -> Response:
        link = self.recorder.cases[case.id].transition
        linked = () if link is None else link.parameters.get("path_parameters", ())
        names = self.there.names(case.operation.path)
        places = [parameter.name for parameter in case.operation.path_parameters]
        case.path_parameters.update({place: names[place] for place in places if place not in linked})
        if isinstance(case.body, dict):
            case.body.update({field: value for field, value in SENSIBLE.items() if field in case.body})
        answer = answer_to(self.api, case, self.token)
        if linked:
            self.followed[operation_id(case)] += answer.status_code < 300
        return answer

    def validate_response(self, answer: Response, case: Case, **_: Any) -> None:
        try:
            case.validate_response(answer, checks=LASTING_CHECKS, recorder=self.recorder)
        except FailureGroup as failures:
            self.wrong.append(f"{case.operation.label}: {failures.exceptions}")

"""The Python client against the OpenAPI document: each of its methods is called, and what it sends and reads is compared."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import httpx
import msgspec
import pytest

from headwater_client import Headwater
from tests.api_description import Operation, fields, operations, shape
from tests.api_gateway import ApiClient

COMPOSED = {"me.send_avatar", "chat.send_emote"}  # of another method and an upload to the storage
METHODS = sorted(
    f"{group}.{name}"
    for group, calls in vars(Headwater(http=httpx.Client())).items()
    if type(calls).__module__.startswith("headwater_client.") and group != "connection"
    for name, _ in inspect.getmembers(calls, inspect.ismethod)
    if not name.startswith("_") and f"{group}.{name}" not in COMPOSED
)


@pytest.fixture(scope="module")
def document(client: ApiClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/v1/openapi.json").json
    return found


@dataclass
class Argument:
    name: str
    hint: Any
    required: bool

    @property
    def shape(self) -> Any:
        return shape_of(self.hint)

    @property
    def value(self) -> Any:
        return example(self.hint, self.name)


@dataclass
class Method:
    """One method of the client, which can be called with everything it takes, or with no more than it must be given."""

    name: str
    function: Callable[..., Any] = field(init=False)
    hints: dict[str, Any] = field(init=False)
    requests: list[httpx.Request] = field(default_factory=list)
    answer: Any = None

    def __post_init__(self) -> None:
        self.function = self._of_new_client()
        self.hints = get_type_hints(self.function)

    def _of_new_client(self) -> Callable[..., Any]:
        http = httpx.Client(base_url="https://api.example.org", transport=httpx.MockTransport(self._answer))
        group, _, name = self.name.partition(".")
        function: Callable[..., Any] = getattr(getattr(Headwater(http=http, token="access"), group), name)
        return function

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.path.endswith("/start") and request.method == "GET":
            return httpx.Response(303, headers={"location": "https://provider.example.org"})
        return httpx.Response(200, json=self.answer)

    @property
    def arguments(self) -> list[Argument]:
        found = []
        for parameter in inspect.signature(self.function).parameters.values():
            hint = self.hints[parameter.name]
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                (settings,) = get_args(hint)
                assert is_typeddict(settings)
                taken = get_type_hints(settings).items()
                found += [Argument(name, hint, name in settings.__required_keys__) for name, hint in taken]
            else:
                found.append(Argument(parameter.name, hint, parameter.default is inspect.Parameter.empty))
        return found

    @property
    def answer_hint(self) -> Any:
        """Of a list, what one item of it is."""
        hint = self.hints["return"]
        return get_args(hint)[0] if get_origin(hint) is Iterator else hint

    def call(self, *, everything: bool) -> httpx.Request:
        """The (first) request that the call makes."""
        self.requests.clear()
        given = {argument.name: argument.value for argument in self.arguments if everything or argument.required}
        if get_origin(self.hints["return"]) is Iterator:
            self.answer = {"items": [], "next_cursor": None}
        try:
            made = self._of_new_client()(**given)
            if isinstance(made, Iterator):
                list(made)
        except Exception as problem:  # what it makes of the answer is looked at elsewhere
            assert self.requests, problem
        assert len(self.requests) == 1
        return self.requests[0]

    def operation(self, document: dict[str, Any]) -> Operation:
        request = self.call(everything=True)
        found = [one for one in operations(document) if one.matches(request.method, request.url.path)]
        assert found, f"{request.method} {request.url.path} is in no document"
        return min(found, key=lambda operation: operation.path.count("{"))


def without_none(hint: Any) -> tuple[Any, ...]:
    arms = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return tuple(arm for arm in arms if arm is not type(None))


def example(hint: Any, name: str) -> Any:
    kind = without_none(hint)[0]
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    if get_origin(kind) is Sequence:
        return [f"a {name}"]
    return {bool: True, int: 7, float: 1.5, str: f"a {name}", datetime: datetime(2027, 1, 31, 20, tzinfo=UTC)}[kind]


def shape_of(hint: Any) -> Any:
    """As `shape` has it of a schema."""
    arms: set[Any] = set()
    for arm in get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,):
        kind = Annotated[datetime, msgspec.Meta(tz=True)] if arm is datetime else arm
        (schema,), named = msgspec.json.schema_components((kind,), ref_template="#/{name}")
        found = shape(schema, named)
        arms |= found if isinstance(found, frozenset) else {found}
    return arms.pop() if len(arms) == 1 and not str(next(iter(arms))).startswith("= ") else frozenset(arms)


def or_null(form: Any) -> frozenset[Any]:
    return (form if isinstance(form, frozenset) else frozenset({form})) | {"null"}


def test_every_operation_has_one_method_and_every_method_an_operation(document: dict[str, Any]) -> None:
    called = sorted(Method(name).operation(document).name for name in METHODS)
    assert called == sorted(operation.name for operation in operations(document))


@pytest.mark.parametrize("name", METHODS)
def test_it_sends_the_documented_parameters(document: dict[str, Any], name: str) -> None:
    method = Method(name)
    operation, request = method.operation(document), method.call(everything=True)
    paged = {"cursor"} if get_origin(method.hints["return"]) is Iterator else set()
    assert (
        set(request.url.params) | (paged & operation.parameters("query").keys()) == operation.parameters("query").keys()
    )
    assert ("idempotency-key" in request.headers) == ("Idempotency-Key" in operation.parameters("header"))
    path = operation.path
    for argument in method.arguments:
        path = path.replace(f"{{{argument.name}}}", str(argument.value))
    assert request.url.path == path, "the arguments are called what the document calls them, and stand in their places"

    required = {parameter for parameter, found in operation.parameters("query").items() if found.get("required")}
    assert set(method.call(everything=False).url.params) == required


@pytest.mark.parametrize("name", METHODS)
def test_it_takes_what_the_document_says_of_each_parameter(document: dict[str, Any], name: str) -> None:
    method = Method(name)
    operation, named = method.operation(document), document["components"]["schemas"]
    body = fields(operation.body, named) if operation.body is not None else {}
    parameters = operation.parameters("path") | operation.parameters("query")
    for argument in method.arguments:
        if argument.name in body:
            required, form = body[argument.name]
            assert argument.shape in (form, or_null(form) if not required else form), argument.name
        else:
            expected = shape(parameters[argument.name.removesuffix("_")]["schema"], named)  # `from` is a word of Python
            assert or_null(argument.shape) == or_null(expected), argument.name


@pytest.mark.parametrize("name", METHODS)
def test_it_sends_the_documented_fields_of_a_body(document: dict[str, Any], name: str) -> None:
    method = Method(name)
    operation = method.operation(document)
    whole, least = method.call(everything=True).content, method.call(everything=False).content
    if operation.body is None:
        assert whole == least == b""
        return
    documented = fields(operation.body, document["components"]["schemas"])
    assert set(msgspec.json.decode(whole)) == set(documented)
    sent = set(msgspec.json.decode(least)) if least else set()
    assert sent == {field for field, (required, _) in documented.items() if required}, "defaults are the server's"
    if operation.description["requestBody"].get("required"):
        assert least, "an object, even if nothing is in it"


@pytest.mark.parametrize("name", METHODS)
def test_it_reads_the_documented_answer(document: dict[str, Any], name: str) -> None:
    method = Method(name)
    operation, named = method.operation(document), document["components"]["schemas"]
    documented = [shape(answer, named) for answer in operation.answers]
    if get_origin(method.hints["return"]) is Iterator:
        (page,) = operation.answers
        form = fields(page, named)["items"][1]
        assert form == ("list", shape_of(method.answer_hint))
    elif method.answer_hint is type(None):
        assert documented == []
    elif "303" in operation.description["responses"]:  # or the address that it leads to
        arms = set(get_args(method.answer_hint) or (method.answer_hint,)) - {str}
        assert [shape_of(arm) for arm in arms] == documented
    else:
        assert [shape_of(method.answer_hint)] == documented

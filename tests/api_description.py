"""Reads an OpenAPI document: its operations, what they may answer, and the bare shape of its schemas, without limits
and patterns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.api_gateway import Handler, decoded

SCALARS = {"string", "integer", "number", "boolean", "null"}


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    description: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def parameters(self, kind: str) -> dict[str, Mapping[str, Any]]:
        return {found["name"]: found for found in self.description.get("parameters", ()) if found["in"] == kind}

    @property
    def body(self) -> Mapping[str, Any] | None:
        content = self.description.get("requestBody", {}).get("content", {})
        found: Mapping[str, Any] | None = content.get("application/json", {}).get("schema")
        return found

    @property
    def answers(self) -> list[Mapping[str, Any]]:
        """The schemas of what a success may carry; empty where that is nothing."""
        return [
            next(iter(answer["content"].values()))["schema"]
            for status, answer in self.description["responses"].items()
            if status.startswith("2") and "content" in answer
        ]

    def may_answer(self, status: int, code: str | None) -> bool:
        """Whether the document has this status, and among its codes this one, if it is a refusal."""
        answer = self.description["responses"].get(str(status))
        return answer is not None and (code is None or f"`{code}`" in answer["description"])

    def matches(self, method: str, path: str) -> bool:
        ours, theirs = self.path.split("/"), path.split("/")
        return (
            method == self.method
            and len(ours) == len(theirs)
            and all(part.startswith("{") or part == other for part, other in zip(ours, theirs, strict=True))
        )


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, description in methods.items():
            yield Operation(method.upper(), path, description)


class NotDescribed(AssertionError):
    """An answer that the document does not announce."""


def described(handler: Handler, document: Mapping[str, Any]) -> Handler:
    """`handler`, which raises NotDescribed for an answer with a status or code that its operation does not have."""
    known = list(operations(document))

    def looked_at(event: dict[str, Any], context: Any) -> dict[str, Any]:
        answer = handler(event, context)
        asked = event["requestContext"]["http"]
        given = decoded(answer)
        for operation in known:
            out_of_form = event.get("body") and operation.body is None  # a body where none belongs
            if operation.matches(asked["method"], asked["path"]) and not out_of_form:
                if not operation.may_answer(given.status, given.code):
                    raise NotDescribed(f"{operation.name} answered {given.status} {given.code}")
                break
        return answer

    return looked_at


def shape(schema: Mapping[str, Any], named: Mapping[str, Any]) -> Any:
    """What a value looks like, comparable: `named` are the schemas that `$ref` leads to."""
    if "$ref" in schema:
        return shape(named[schema["$ref"].rsplit("/", 1)[1]], named)
    if "anyOf" in schema:
        arms = [shape(arm, named) for arm in schema["anyOf"]]
        return frozenset().union(*(arm if isinstance(arm, frozenset) else {arm} for arm in arms))
    if "const" in schema or "enum" in schema:
        values = schema.get("enum") or [schema["const"]]
        return frozenset(f"= {value}" for value in values if value is not None) | (
            {"null"} if None in values else set()
        )
    kind = schema.get("type")
    if kind == "array":
        return ("list", shape(schema["items"], named))
    if kind == "object":
        if "properties" in schema:
            required = schema.get("required", ())
            fields = schema["properties"].items()
            return ("object", frozenset((name, name in required, shape(field, named)) for name, field in fields))
        values = schema.get("additionalProperties", True)
        return ("map", "anything" if isinstance(values, bool) or not values else shape(values, named))
    if kind is None:
        return "anything"
    assert kind in SCALARS, schema
    return "time" if schema.get("format") == "date-time" else kind


def fields(schema: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, tuple[bool, Any]]:
    """An object's fields: whether each is required, and its shape. Of something optional, the fields when it is there."""
    if "anyOf" in schema:
        schema = next(arm for arm in schema["anyOf"] if arm.get("type") != "null")
    found = shape(schema, named)
    assert found[0] == "object", schema
    return {name: (required, form) for name, required, form in found[1]}

"""Stage 7 · the API's reference as one page: made from its OpenAPI description, without a script or anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterator, Mapping
from typing import Any

from functions.api.problems import PROBLEM_TYPE

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --quiet: #777; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 56rem; padding: 1rem; }
h2 { margin-top: 2rem; text-transform: capitalize; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
code, pre { font: 14px/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; border-left: 3px solid var(--line); padding-left: .8rem; }
.method { display: inline-block; font-weight: 700; min-width: 4.5rem; }
.quiet { color: var(--quiet); }
table { border-collapse: collapse; } td, th { padding: .1rem .8rem .1rem 0; text-align: left; vertical-align: top; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'"


def docs_page(description: Mapping[str, Any]) -> str:
    """An HTML page of every operation in `description` (OpenAPI 3.1), by tag."""
    info = description["info"]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(info['title'])} API</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{_text(info['title'])} API</h1><p>{_text(info['description'])}</p>",
        '<p class="quiet">For programs: <a href="openapi.json">openapi.json</a>, '
        'and for chat <a href="asyncapi.json">asyncapi.json</a></p>',
    ]
    tag_before = None
    for tag, method, path, operation in _operations(description):
        if tag != tag_before:
            parts.append(f"<h2>{_text(tag)}</h2>")
            tag_before = tag
        parts.extend(_operation(method, path, operation, description))
    parts.append("</main></body></html>")
    return "".join(parts)


def _operations(description: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield operation.get("tags", ["other"])[0], method.upper(), path, operation


def _operation(method: str, path: str, operation: Mapping[str, Any], description: Mapping[str, Any]) -> Iterator[str]:
    yield f'<details><summary><span class="method">{method}</span> <code>{_text(path)}</code></summary>'
    yield f"<p>{_text(operation.get('description', ''))}"
    if operation.get("security"):
        yield ' <span class="quiet">Takes an access token.</span>'
    yield "</p>"
    parameters = operation.get("parameters", [])
    if parameters:
        yield "<table><tr><th>Parameter</th><th>In</th><th>Type</th><th></th></tr>"
        for parameter in parameters:
            kind = _shape(parameter.get("schema", {}), description)
            cells = (parameter["name"], parameter["in"], json.dumps(kind), parameter.get("description", ""))
            yield "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>"
        yield "</table>"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        yield f"<h3>Body</h3><pre>{_example(body, description)}</pre>"
    for status, response in operation["responses"].items():
        if PROBLEM_TYPE not in response.get("content", {}):
            yield f"<h3>{_text(status)}</h3>"
        content = response.get("content", {}).get("application/json")
        if content:
            yield f"<pre>{_example(content, description)}</pre>"
    yield "<h3>Refused</h3><table>"
    for status, response in operation["responses"].items():
        if PROBLEM_TYPE in response.get("content", {}):
            codes = response["description"].replace("`", "")
            yield f"<tr><td>{_text(status)}</td><td><code>{_text(codes)}</code></td></tr>"
    yield "</table></details>"


def _example(content: Mapping[str, Any], description: Mapping[str, Any]) -> str:
    return _text(json.dumps(_shape(content.get("schema", {}), description), indent=2))


def _shape(schema: Mapping[str, Any], description: Mapping[str, Any]) -> Any:
    """A schema as JSON of the same form, with the name of its type in the place of each value."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _shape(description["components"]["schemas"][name], description)
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return schema["const"]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            shapes = [_shape(option, description) for option in schema[choice]]
            if all(isinstance(shape, str) for shape in shapes):
                return " | ".join(shapes)
            return shapes[0]
    if schema.get("type") == "object" and "properties" in schema:
        return {name: _shape(field, description) for name, field in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_shape(schema.get("items", {}), description)]
    return " ".join(str(part) for part in (schema.get("type", "any"), schema.get("format", "")) if part)


def _text(value: object) -> str:
    return html.escape(str(value))

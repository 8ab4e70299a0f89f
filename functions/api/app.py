"""Stage 7 · the REST API as an ASGI application."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware import Middleware

from functions.api.idempotency_guard import HEADER as IDEMPOTENCY_HEADER
from functions.api.idempotency_guard import LEFT_OUT, UNSAFE_METHODS, IdempotencyGuard
from functions.api.problems import Problem, answer_with_problems
from functions.api.refusals import refused
from functions.api.request_guard import RequestGuard
from functions.api.routes import (
    account_data,
    admin,
    auth,
    avatars,
    broadcasts,
    categories,
    chat,
    clips,
    credentials,
    emotes,
    following,
    listed_people,
    moderation,
    oauth,
    playback,
    service,
    streams,
    tokens,
    users,
)
from functions.api.wiring import Services

PREFIX = "/v1"
_DESCRIPTION = (
    "Streams, broadcasts, accounts and chat of Headwater. Errors are `application/problem+json` with a stable `code`; "
    "lists are `{items, next_cursor}`; times are RFC 3339 in UTC; ids are opaque."
)

_IDEMPOTENCY_PARAMETER = {
    "name": IDEMPOTENCY_HEADER,
    "in": "header",
    "required": False,
    "description": "Made up by the client, once for each request: sent again, it is answered again and carried out once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def create_app(services: Services) -> FastAPI:
    app = FastAPI(
        title="Headwater",
        version="1",
        description=_DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        # No CORS here: it is API Gateway's, which ignores what a function says of it.
        middleware=[Middleware(RequestGuard), Middleware(IdempotencyGuard, services)],
        redirect_slashes=False,
    )
    app.state.services = services
    answer_with_problems(app)
    for module in (  # requests look for their route in this order: the most frequent ones first
        streams,
        playback,
        auth,
        credentials,
        oauth,
        users,
        following,
        tokens,
        avatars,
        account_data,
        listed_people,
        moderation,
        categories,
        broadcasts,
        clips,
        chat,
        emotes,
        admin,
        service,
    ):
        app.include_router(module.router, prefix=PREFIX)
    app.include_router(service.root_router)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's description, with our one error shape in the place of its own."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = schema["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        definition = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(definition.pop("$defs", {}))
        schemas["Problem"] = definition
        for path, operations in schema["paths"].items():
            for method, operation in operations.items():
                if method.upper() in UNSAFE_METHODS and "security" in operation and not path.startswith(LEFT_OUT):
                    operation.setdefault("parameters", []).append(_IDEMPOTENCY_PARAMETER)
                responses = operation["responses"]
                responses.pop("422", None)  # FastAPI's, of a form that we do not send
                operation["responses"] = {**refused(method.upper(), path, operation), **responses}
        app.openapi_schema = schema
    return app.openapi_schema

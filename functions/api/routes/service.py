"""Stage 7 · routes of the service itself: health, its OpenAPI description and that of chat, a page to read, the token keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from functions.api.dependencies import ServicesDep
from functions.api.docs_page import CONTENT_SECURITY_POLICY, docs_page
from functions.api.inline_routes import InlineRoute
from functions.api.representations import HealthOut
from headwater.domain.chat_protocol import asyncapi_document
from headwater.domain.ids import StreamId
from headwater.observability import logger

router = APIRouter(route_class=InlineRoute, tags=["service"])
root_router = APIRouter(route_class=InlineRoute, tags=["service"])

# PyJWT's and others' clients keep a key list for minutes anyway; a new key is published five minutes before it signs.
_KEYS_CACHE = "public, max-age=60"
_DOCS_CACHE = "public, max-age=300"
_NO_STREAM = StreamId("0" * 22)


@router.get("/health", responses={503: {"model": HealthOut, "description": "Something does not answer."}})
def health(services: ServicesDep, response: Response) -> HealthOut:
    """Whether everything behind the API answers; 503 when something does not, and `checks` says what."""
    checks = {
        "database": _answers(services.check_database),
        "cache": _answers(lambda: services.cache().ping()),
        "hot_state": _answers(lambda: services.hot_state.read(_NO_STREAM)),
    }
    healthy = all(checks.values())
    response.status_code = 200 if healthy else 503
    return HealthOut(
        status="ok" if healthy else "degraded",
        checks={name: "ok" if answers else "failing" for name, answers in checks.items()},
    )


def _answers(check: Callable[[], object]) -> bool:
    try:
        check()
    except Exception:
        logger().warning("health check failed", exc_info=True)
        return False
    return True


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi(), headers={"Cache-Control": _DOCS_CACHE})


@router.get("/asyncapi.json", include_in_schema=False)
async def asyncapi(services: ServicesDep) -> JSONResponse:
    return JSONResponse(asyncapi_document(services.settings.ws_url), headers={"Cache-Control": _DOCS_CACHE})


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    headers = {"Cache-Control": _DOCS_CACHE, "Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return HTMLResponse(docs_page(request.app.openapi()), headers=headers)


@root_router.get("/.well-known/jwks.json")
def keys(services: ServicesDep, response: Response) -> dict[str, list[dict[str, Any]]]:
    """The public keys of the access tokens (RFC 7517)."""
    response.headers["Cache-Control"] = _KEYS_CACHE
    return {"keys": services.tokens.published()}

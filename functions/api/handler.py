"""Stage 7 · API Gateway's HTTP API (payload 2.0) → the REST API."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from headwater.observability import emits_metrics
from headwater.settings import load_settings
from headwater.start_up import imported_for_good

with imported_for_good():
    from functions.api.app import create_app
    from functions.api.problems import PROBLEM_TYPE
    from functions.api.settings import ApiSettings
    from functions.api.wiring import Services

if TYPE_CHECKING:
    from mangum import Mangum


@functools.cache
def gateway() -> Mangum:
    from mangum import Mangum

    app = create_app(Services(load_settings(ApiSettings)))
    # Types that Mangum does not know as text would reach the client in base 64.
    text_types = ["text/", "application/json", PROBLEM_TYPE]
    return Mangum(app, lifespan="off", text_mime_types=text_types)


@emits_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    answer: dict[str, Any] = gateway()(event, context)
    return answer

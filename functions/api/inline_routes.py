"""Stage 7 · routes that are carried out where they are called, without a thread of their own.

A process of a function has one request at a time, so there is nobody whom a blocked event loop could keep waiting. Mangum runs
the loop anew for each request, which ends its threads: a route in a thread would start one for every request.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from fastapi.routing import APIRoute


class InlineRoute(APIRoute):
    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint if inspect.iscoroutinefunction(endpoint) else _inline(endpoint), **options)


def _inline(route: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(route)
    async def carried_out(*args: Any, **kwargs: Any) -> Any:
        return route(*args, **kwargs)

    return carried_out

"""Stage 7 · routes of categories."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from functions.api.dependencies import PAGE_LIMIT, Cursor, Limit, Unit
from functions.api.inline_routes import InlineRoute
from functions.api.pages import category_after, page_of
from functions.api.representations import CategoryOut, Page

router = APIRouter(route_class=InlineRoute, tags=["streams"])


@router.get("/categories")
def categories(
    unit: Unit,
    q: Annotated[str | None, Query(min_length=1, max_length=60)] = None,
    limit: Limit = PAGE_LIMIT,
    cursor: Cursor = None,
) -> Page[CategoryOut]:
    """The categories, by name, with how many of their streams are live. `q` narrows them to what resembles its words."""
    found = unit.categories.page(q, category_after(cursor), limit + 1)
    return page_of(
        found,
        limit,
        lambda each: CategoryOut(id=each.category_id, name=each.name, live_streams=each.live_streams),
        lambda each: each.category_id,
    )

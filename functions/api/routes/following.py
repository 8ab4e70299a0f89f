"""Stage 7 · routes of following: who follows whom."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from functions.api.accounts import user_out
from functions.api.dependencies import PAGE_LIMIT, CurrentUser, Cursor, Limit, ServicesDep, Unit, UsernameParam
from functions.api.inline_routes import InlineRoute
from functions.api.pages import id_before, page_of
from functions.api.people import FollowingOut, FollowOut
from functions.api.representations import Page
from functions.api.use_cases.following import follow, unfollow
from headwater.adapters.follows import Follow
from headwater.errors import NotFound

router = APIRouter(route_class=InlineRoute, tags=["users"])


def _page(found: Sequence[Follow], limit: int) -> Page[FollowOut]:
    return page_of(
        found,
        limit,
        lambda each: FollowOut(user=user_out(each.user), followed_at=each.followed_at),
        lambda each: each.follow_id,
    )


@router.put("/users/{username}/follow", status_code=204)
def follow_user(username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit) -> None:
    """Follow them, whether one does already or not."""
    follow(unit.accounts, unit.follows, services.account_data, user.user_id, username)


@router.delete("/users/{username}/follow", status_code=204)
def unfollow_user(username: UsernameParam, user: CurrentUser, services: ServicesDep, unit: Unit) -> None:
    """Follow them no longer, whether one did or not."""
    unfollow(unit.accounts, unit.follows, services.account_data, user.user_id, username)


@router.get("/users/{username}/followers")
def followers(username: UsernameParam, unit: Unit, limit: Limit = PAGE_LIMIT, cursor: Cursor = None) -> Page[FollowOut]:
    """Who follows them, the latest first."""
    found = unit.accounts.by_username(username)
    if found is None:
        raise NotFound
    return _page(unit.follows.followers(found.user_id, id_before(cursor), limit + 1), limit)


@router.get("/me/following")
def following(user: CurrentUser, unit: Unit, limit: Limit = PAGE_LIMIT, cursor: Cursor = None) -> Page[FollowOut]:
    """Whom one follows, the latest first."""
    return _page(unit.follows.following(user.user_id, id_before(cursor), limit + 1), limit)


@router.get("/me/following/{username}")
def is_following(username: UsernameParam, user: CurrentUser, unit: Unit) -> FollowingOut:
    """Whether one follows them."""
    found = unit.accounts.by_username(username)
    if found is None:
        raise NotFound
    return FollowingOut(following=unit.follows.is_following(user.user_id, found.user_id))

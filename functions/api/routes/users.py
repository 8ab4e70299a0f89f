"""Stage 7 · routes of users: oneself, and what everybody may know of others."""

from __future__ import annotations

from fastapi import APIRouter

from functions.api.accounts import OwnUserOut, UserOut, own_user_out, user_out
from functions.api.dependencies import CurrentUser, Unit, UsernameParam
from functions.api.inline_routes import InlineRoute
from functions.api.request_bodies import ProfilePatch
from headwater.errors import NotFound, Unauthenticated

router = APIRouter(route_class=InlineRoute, tags=["users"])


@router.get("/me")
def me(user: CurrentUser, unit: Unit) -> OwnUserOut:
    """Oneself."""
    found = unit.accounts.by_id(user.user_id)
    if found is None:
        raise Unauthenticated  # the account is gone; its last token is not yet
    return own_user_out(found)


@router.patch("/me")
def change_me(body: ProfilePatch, user: CurrentUser, unit: Unit) -> OwnUserOut:
    """Change one's profile."""
    if "bio" in body.model_fields_set:
        unit.accounts.set_bio(user.user_id, body.bio)
    return me(user, unit)


@router.get("/users/{username}")
def user_by_name(username: UsernameParam, unit: Unit) -> UserOut:
    """What everybody may know of a user."""
    found = unit.accounts.by_username(username)
    if found is None:
        raise NotFound
    return user_out(found)

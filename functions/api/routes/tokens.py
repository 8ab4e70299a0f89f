"""Stage 7 · routes of personal access tokens. A token cannot make, see or revoke tokens: only a signed-in person can."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from functions.api.dependencies import PAGE_LIMIT, CurrentUser, Cursor, Limit, ServicesDep, Unit
from functions.api.inline_routes import InlineRoute
from functions.api.pages import id_before, page_of
from functions.api.people import NewPersonalToken, NewPersonalTokenOut, PersonalTokenOut, personal_token_out
from functions.api.representations import Page
from functions.api.use_cases.personal_tokens import create_token, revoke_token
from headwater.domain.ids import is_id
from headwater.errors import NotFound

router = APIRouter(route_class=InlineRoute, prefix="/me/tokens", tags=["accounts"])


async def _token_id(token_id: Annotated[str, Path()]) -> str:
    if not is_id(token_id):
        raise NotFound
    return token_id


@router.post("", status_code=201)
def create_personal_token(body: NewPersonalToken, user: CurrentUser, unit: Unit) -> NewPersonalTokenOut:
    """A token for a bot or an integration, sent as `Authorization: Bearer hwp_…`. It is shown this once."""
    made, secret = create_token(unit, user.user_id, body.name, body.scopes, body.expires_in_days)
    return NewPersonalTokenOut(**dict(personal_token_out(made)), token=secret)


@router.get("")
def personal_tokens(
    user: CurrentUser, unit: Unit, limit: Limit = PAGE_LIMIT, cursor: Cursor = None
) -> Page[PersonalTokenOut]:
    """One's tokens, newest first; without the tokens themselves."""
    found = unit.personal_tokens.of_user(user.user_id, id_before(cursor), limit + 1)
    return page_of(found, limit, personal_token_out, lambda token: token.token_id)


@router.delete("/{token_id}", status_code=204)
def revoke_personal_token(
    token_id: Annotated[str, Depends(_token_id)], user: CurrentUser, services: ServicesDep, unit: Unit
) -> None:
    """The token is worthless from now on, and the chat sockets that it opened close."""
    revoke_token(unit, services.sockets, user.user_id, token_id)

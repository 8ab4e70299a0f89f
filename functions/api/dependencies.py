"""Stage 7 · what routes ask for by annotation: the unit of work, who is calling, ids that have the form of ids."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from functions.api.scopes import SCOPE_OF
from functions.api.use_cases.personal_tokens import speak_with_token
from functions.api.use_cases.sessions import check_standing
from functions.api.wiring import Services, UnitOfWork
from headwater.adapters.access_tokens import Identity
from headwater.domain.accounts import Role, is_username
from headwater.domain.client_address import Address, client_address_of
from headwater.domain.ids import BroadcastId, StreamId, UserId, is_id
from headwater.domain.personal_tokens import is_personal_token
from headwater.domain.sign_in import MAX_USER_AGENT_LENGTH, Device, Standing
from headwater.errors import Forbidden, NotFound, Unauthenticated

PAGE_LIMIT = 25
MAX_PAGE_LIMIT = 100

_bearer = HTTPBearer(
    auto_error=False, description="The access token of `register`, `login` or `refresh`; or a personal access token."
)


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]


# Carried out where it is called, as routes are: see `functions.api.inline_routes`.
async def _unit_of_work(services: ServicesDep) -> AsyncIterator[UnitOfWork]:
    with services.unit_of_work() as unit:
        yield unit


# `scope="function"`: committed before the answer is sent, so that nobody is told what then does not happen.
Unit = Annotated[UnitOfWork, Depends(_unit_of_work, scope="function")]


@dataclass(frozen=True, slots=True)
class Caller:
    identity: Identity
    standing: Standing


async def look_up_caller(
    request: Request,
    services: ServicesDep,
    unit: Unit,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller | None:
    """A token that is not valid is refused also where none is needed: its owner should learn that it has run out."""
    if credentials is None:
        if "authorization" in request.headers:
            raise Unauthenticated
        return None
    token = credentials.credentials
    if is_personal_token(token):
        needed = SCOPE_OF.get(request.scope["route"].name)
        return Caller(*speak_with_token(unit, token, needed))
    identity = services.tokens.verify(token)
    # A signature says what was true for up to ten minutes; whether the session still runs, the database knows.
    return Caller(identity, check_standing(unit.sessions, identity))


MaybeCaller = Annotated[Caller | None, Depends(look_up_caller, scope="function")]


async def _current_caller(caller: MaybeCaller) -> Caller:
    if caller is None:
        raise Unauthenticated
    return caller


CurrentCaller = Annotated[Caller, Depends(_current_caller, scope="function")]


async def _maybe_user(caller: MaybeCaller) -> Identity | None:
    return None if caller is None else caller.identity


MaybeUser = Annotated[Identity | None, Depends(_maybe_user, scope="function")]


async def _current_user(user: MaybeUser) -> Identity:
    if user is None:
        raise Unauthenticated
    return user


CurrentUser = Annotated[Identity, Depends(_current_user, scope="function")]


async def _admin(caller: MaybeCaller) -> Identity:
    if caller is None:
        raise Unauthenticated
    if Role.ADMIN not in caller.standing.roles:
        raise Forbidden("Only administrators may do this.")
    return caller.identity


Admin = Annotated[Identity, Depends(_admin, scope="function")]


def user_id_of(user: Identity | None) -> UserId | None:
    return None if user is None else user.user_id


async def _stream_id(stream_id: Annotated[str, Path()]) -> StreamId:
    if not is_id(stream_id):
        raise NotFound
    return StreamId(stream_id)


async def _broadcast_id(broadcast_id: Annotated[str, Path()]) -> BroadcastId:
    if not is_id(broadcast_id):
        raise NotFound
    return BroadcastId(broadcast_id)


async def _username(username: Annotated[str, Path()]) -> str:
    if not is_username(username):
        raise NotFound
    return username


async def _session_id(session_id: Annotated[str, Path()]) -> str:
    if not is_id(session_id):
        raise NotFound
    return session_id


StreamIdParam = Annotated[StreamId, Depends(_stream_id)]
BroadcastIdParam = Annotated[BroadcastId, Depends(_broadcast_id)]
UsernameParam = Annotated[str, Depends(_username)]
SessionIdParam = Annotated[str, Depends(_session_id)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before.")]


async def _client_address(request: Request) -> Address:
    return client_address_of(request.client.host if request.client else "")


ClientAddress = Annotated[Address, Depends(_client_address)]


async def _device(request: Request, user_agent: Annotated[str, Header(include_in_schema=False)] = "") -> Device:
    """What is shown to the owner of a session. Headers may hold anything: only what can be shown is kept."""
    host = request.client.host if request.client else ""
    shown = "".join(character for character in user_agent if character.isprintable())
    return Device(shown[:MAX_USER_AGENT_LENGTH], host[:64])


ClientDevice = Annotated[Device, Depends(_device)]
